import type { DescMethod } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { METHODS, nameOf } from "../../support/contract/methods.ts";
import { fill } from "../../support/contract/requests.ts";
import type { Attack, Tried } from "../attack.ts";
import type { Target } from "../target.ts";
import { bearer, call, type Seen } from "../wire.ts";

const paged = METHODS.filter(({ input, methodKind }) => input.field.pageSize && methodKind === "unary");
const filtered = METHODS.filter(
  ({ name, methodKind }) => /^(List|Count|BatchRetry|BatchCancel)/.test(name) && methodKind === "unary",
);
const path = (method: DescMethod): string => `${method.parent.name}/${method.name}`;
const asAdmin = (target: Target, method: DescMethod, body: object): Promise<Seen> =>
  call(target, path(method), body, bearer(target.admin.accessToken));

/** The same body to each of the methods. */
async function each(
  what: string,
  methods: readonly DescMethod[],
  ask: (method: DescMethod) => Promise<Seen>,
  isRight: (seen: Seen) => boolean,
): Promise<Tried> {
  const seen = await Promise.all(methods.map(async (method) => ({ method, ...(await ask(method)) })));
  const wrong = seen.filter((one) => !isRight(one));
  const [shown] = wrong.length > 0 ? wrong : seen;
  const from = wrong.length > 0 ? ` from ${wrong.map(({ method }) => nameOf(method)).join(", ")}` : "";
  return {
    what: `${what}, at ${seen.length} methods`,
    came: `${shown?.status} ${shown?.reason || shown?.code}${from}`,
    held: wrong.length === 0 && seen.length > 0,
  };
}

const isInvalid = ({ code }: Seen): boolean => code === "invalid_argument";

export const pageSizes: Attack = {
  name: "page_size −1 and 2³¹−1",
  run: async (target) =>
    await Promise.all(
      [-1, 501, 2 ** 31 - 1, 2 ** 31, 1.5].map((pageSize) =>
        each(`page_size ${pageSize}`, paged, (method) => asAdmin(target, method, { pageSize }), isInvalid),
      ),
    ),
};

const forged = [
  "x",
  "AAAA",
  Buffer.from('{"id":"0"}').toString("base64url"),
  "A".repeat(1024),
  "../../etc/passwd",
  "é",
];

export const pageTokens: Attack = {
  name: "Forged page tokens",
  async run(target) {
    await Promise.all(
      [1, 2].map((n) => target.admin.client.jobs.createJob({ source: { case: "text", value: `${n}` } })),
    );
    const list = await call(
      target,
      "JobsService/ListJobs",
      { pageSize: 1 },
      bearer(target.admin.accessToken),
    );
    const { nextPageToken } = JSON.parse(list.text) as { nextPageToken: string };
    const flipped = `${nextPageToken.slice(0, -2)}${nextPageToken.endsWith("AA") ? "BB" : "AA"}`;
    const others = paged.filter(({ name }) => name !== "ListJobs");
    const with_ = (pageToken: string) => (method: DescMethod) =>
      asAdmin(target, method, { ...named(method), pageToken });
    return [
      ...(await Promise.all(
        forged.map((token) => each(`${token.slice(0, 20)}`, paged, with_(token), isInvalid)),
      )),
      await each(
        "of ListJobs, one character changed",
        paged.filter(({ name }) => name === "ListJobs"),
        with_(flipped),
        isInvalid,
      ),
      await each("of ListJobs", others, with_(nextPageToken), isInvalid),
    ];
  },
};

/** What the list is of, where it has to be said. */
function named(method: DescMethod): object {
  return toJson(
    method.input,
    fill(method.input, { all: false, id: () => undefined, word: () => "word" }),
  ) as object;
}

/** A whole request whose texts are the attack's, save for those that have a form, as ids have. */
function withText(method: DescMethod, text: string): object {
  const request = fill(method.input, { all: true, id: () => undefined, word: () => "0word" });
  const json = JSON.stringify(toJson(method.input, request));
  return JSON.parse(json.replaceAll("0word", JSON.stringify(text).slice(1, -1))) as object;
}

const SQL = [
  "' or '1'='1",
  "'; drop table jobs; --",
  "%' union select null--",
  "\\",
  "%_%",
  "$1",
  "a\u0000b",
  "\ud800",
  "’ ＇",
];

const ODD = ["a\u0000b", "\ud800", "\uffff\u202e\u2028", "x".repeat(5_000)];

/** Text that a database does not store, in every string of every request. */
export const oddText: Attack = {
  name: "U+0000, half characters and long text in every string of every request",
  async run(target) {
    const unary = METHODS.filter(
      ({ methodKind, name }) =>
        methodKind === "unary" && !/^(Login|Refresh|Logout|ChangePassword)$/.test(name),
    );
    const isFine = ({ status, code }: Seen): boolean =>
      (status < 500 || status === 501) && code !== "unknown";
    const tries: Tried[] = [];
    for (const text of ODD)
      tries.push(
        await each(
          JSON.stringify(text).slice(0, 30),
          unary,
          (method) => asAdmin(target, method, withText(method, text)),
          isFine,
        ),
      );
    // PauseQueue was among them.
    await target.admin.client.system.resumeQueue({});
    return tries;
  },
};

export const sqlInFilters: Attack = {
  name: "SQL in filters",
  async run(target) {
    const marker = `of-admin-${Date.now()}`;
    await target.admin.client.jobs.createJob({ source: { case: "text", value: "x" }, labels: { marker } });
    const foreign = await Promise.all(
      SQL.map((text) =>
        call(target, "JobsService/ListJobs", { query: text }, bearer(target.bob.accessToken)),
      ),
    );
    const jobs = await call(target, "JobsService/CountJobs", {}, bearer(target.admin.accessToken));
    return [
      ...(await Promise.all(
        SQL.map((text) =>
          each(
            JSON.stringify(text),
            filtered,
            (method) => asAdmin(target, method, withText(method, text)),
            ({ status, code }) => status < 500 && code !== "unknown",
          ),
        ),
      )),
      {
        what: "what others have, by any of them",
        came: foreign.some(({ text }) => text.includes(marker)) ? "found" : "not found",
        held: foreign.every(({ text }) => !text.includes(marker)),
      },
      {
        what: "the jobs afterwards",
        came: jobs.text.slice(0, 40),
        held: jobs.code === "ok" && !jobs.text.includes('"total":"0"'),
      },
    ];
  },
};
