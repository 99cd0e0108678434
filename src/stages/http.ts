import { z } from "zod";
import { durationOption, stageOptions } from "./options.ts";

/** Bytes of a request's and of an answer's body at most. */
export const MAX_HTTP_BYTES = 64 * 1024 * 1024;
const MAX_TIMEOUT_MS = 10 * 60_000;

const Options = z.strictObject({
  url: z
    .string()
    .max(2_048)
    .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "Give an https:// address.")
    .refine((text) => !URL.parse(text)?.username && !URL.parse(text)?.password, {
      message: "Must not carry a user name or password; `secret` signs the requests.",
    }),
  /** How long the service may take, as `60s`. */
  timeout: durationOption({ mostMs: MAX_TIMEOUT_MS, most: "10 min", fallbackMs: 60_000 }),
});

/**
 * The stage that asks a service of the user's. It has no `run`: document processes have no network, so the worker makes
 * the call, and they write what is sent and read what is answered (`composeRequest`, `takeAnswer`).
 */
export const httpStage = {
  type: "http",
  version: 1,
  description: "Posts the document to a service of yours and takes its answer.",
  ...stageOptions(Options),
} as const;

export type HttpOptions = z.output<typeof Options>;
