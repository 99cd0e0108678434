import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Resource } from "./ids.ts";
import type { Person } from "./stand.ts";

const DAY_MS = 86_400_000;
let made = 0;
const unique = (word: string): string => `${word}-${++made}-${process.pid}`;

/** Makes an object of the person's and answers what requests name it by. */
const MAKERS: Readonly<Record<Resource, (person: Person) => Promise<string | undefined>>> = {
  async api_key({ client }) {
    const { apiKey } = await client.auth.createApiKey({ name: unique("key"), permissions: ["account:read"] });
    return apiKey?.id;
  },
  async delivery(person) {
    const webhookId = await MAKERS.webhook(person);
    const { delivery } = await person.client.webhooks.sendTestEvent({ webhookId: webhookId ?? "" });
    return delivery?.id;
  },
  async document({ client }) {
    const { id } = await client.documents.upload({ text: unique("document") });
    return id;
  },
  // Waits until tomorrow, so that no worker changes it meanwhile.
  async job({ client }) {
    const source = { case: "text", value: unique("job") } as const;
    const { job } = await client.jobs.createJob({ source, runTime: timestampFromMs(Date.now() + DAY_MS) });
    return job?.id;
  },
  async pipeline({ client }) {
    const stages = [
      { type: { case: "detect" as const, value: {} } },
      { type: { case: "extract" as const, value: {} } },
    ];
    const { pipeline } = await client.pipelines.createPipeline({
      name: unique("pipeline"),
      config: { stages },
    });
    return pipeline?.id;
  },
  async role({ client }) {
    const { role } = await client.auth.createRole({ name: unique("role"), permissions: ["jobs:read"] });
    return role?.name;
  },
  async user({ client }) {
    const email = `${unique("user")}@example.org`;
    const { user } = await client.auth.createUser({ email, password: unique("password"), roles: ["viewer"] });
    return user?.id;
  },
  async webhook({ client }) {
    const { webhook } = await client.webhooks.createWebhook({
      url: "https://receiver.example.org/",
      events: ["job.completed"],
    });
    return webhook?.id;
  },
};

/** What no object has, in the form of what one has. */
export function unknownLike(id: string): string {
  const last = id.at(-1) === "0" ? "1" : "0";
  return id.slice(0, -1) + last;
}

/** An object of the person's. @throws when there is none */
export async function make(resource: Resource, person: Person): Promise<string> {
  const id = await MAKERS[resource](person);
  if (!id) throw new Error(`a ${resource} was made without an id`);
  return id;
}
