import { expect, test } from "vitest";
import { runCampaign } from "../../fuzz/campaign.ts";
import { judgeCampaign } from "../../fuzz/verdict.ts";

const DOCUMENTS = 100;

test("damaged documents of every format end completed or with a documented reason, and nothing beside them suffers", {
  timeout: 240_000,
}, async () => {
  const campaign = await runCampaign({
    seed: 20_260,
    documents: DOCUMENTS,
    seconds: 200,
    onFinding: () => {},
  });
  expect(campaign.findings).toEqual([]);
  expect(judgeCampaign(campaign, DOCUMENTS).filter(({ holds }) => !holds)).toEqual([]);
  expect(campaign.ends.size).toBeGreaterThan(2);
});
