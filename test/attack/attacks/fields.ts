import { create, toBinary } from "@bufbuild/protobuf";
import { CreateJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import type { Attack } from "../attack.ts";
import { bearer, call, refused } from "../wire.ts";

export const massAssignment: Attack = {
  name: "Mass assignment",
  async run(target) {
    const { alice, bob } = target;
    const job = (extra: object) =>
      call(target, "JobsService/CreateJob", { text: "mine", ...extra }, bearer(bob.accessToken));
    const key = (extra: object) => {
      const body = { name: "mine", permissions: ["jobs:read"], ...extra };
      return call(target, "AuthService/CreateApiKey", body, bearer(bob.accessToken));
    };
    const extras = [
      { id: "0198c0de-0000-7000-8000-000000000001" },
      { createdBy: alice.id },
      { created_by: alice.id },
      { ownerId: alice.id },
      { status: "JOB_STATUS_COMPLETED" },
      { attempt: 9 },
      { workerId: "mine" },
      { version: 7 },
      { expireTime: "2040-01-01T00:00:00Z" },
    ];
    // With a field that the contract does not have: 1000, a text.
    const message = toBinary(
      CreateJobRequestSchema,
      create(CreateJobRequestSchema, { source: { case: "text", value: "x" } }),
    );
    const unknown = Buffer.concat([
      message,
      Buffer.from([0xc2, 0x3e, alice.id.length]),
      Buffer.from(alice.id),
    ]);
    const binary = await fetch(`${target.url}/sluice.v1.JobsService/CreateJob`, {
      method: "POST",
      headers: { "content-type": "application/proto", ...bearer(bob.accessToken) },
      body: unknown,
    });
    const answered = Buffer.from(await binary.arrayBuffer()).toString("latin1");
    return [
      ...(await Promise.all(
        extras.map((extra) =>
          refused(`CreateJob with ${JSON.stringify(extra)}`, job(extra), "invalid_argument"),
        ),
      )),
      await refused("CreateApiKey for another user", key({ userId: alice.id }), "permission_denied"),
      await refused("CreateApiKey with a secret", key({ secret: "slk_mine" }), "invalid_argument"),
      {
        what: "an unknown field in binary",
        came: `${binary.status}, ${answered.includes(bob.id) ? "a job of the caller's" : "not of the caller's"}`,
        held: binary.ok && answered.includes(bob.id) && !answered.includes(alice.id),
      },
    ];
  },
};

export const prototypes: Attack = {
  name: "Prototype pollution in maps and structs",
  async run(target) {
    const { accessToken } = target.bob;
    const polluted = '{"text":"x","labels":{"__proto__":"yes","constructor":"yes","toString":"yes"}}';
    const struct =
      '{"text":"x","parameters":{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}}';
    const top = '{"text":"x","__proto__":{"priority":"JOB_PRIORITY_HIGH"}}';
    const seen = await Promise.all(
      [polluted, struct, top].map((body) => call(target, "JobsService/CreateJob", body, bearer(accessToken))),
    );
    const after = await call(target, "JobsService/CreateJob", { text: "x" }, bearer(accessToken));
    const info = await call(target, "SystemService/GetServerInfo", {}, bearer(accessToken));
    const clean = (text: string) => !text.includes("isAdmin") && !text.includes("yes");
    return [
      ...["labels", "parameters", "the message itself"].map((where, i) => ({
        what: `__proto__ and constructor in ${where}`,
        came: `${seen[i]?.status} ${seen[i]?.reason}`,
        held: (seen[i]?.status ?? 500) < 500,
      })),
      {
        what: "a job and the server's facts afterwards",
        came: clean(after.text) && clean(info.text) ? "nothing of it" : "polluted",
        held: after.code === "ok" && info.code === "ok" && clean(after.text) && clean(info.text),
      },
    ];
  },
};
