import { createEgress } from "../../../src/egress/egress.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";
import { type Attack, ownOf, type Tried } from "../attack.ts";
import { listenAt } from "../hostile-server.ts";
import { HOSTILE_HOST } from "../target.ts";
import { endOf } from "../work.ts";

const spellings = (port: number): string[] =>
  [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "%31%32%37.0.0.1",
    `user:secret@127.0.0.1`,
    `example.org@127.0.0.1`,
  ].map((host) => `http://${host}:${port}/`);

const METADATA = [
  "http://169.254.169.254/latest/meta-data/",
  "http://[fd00:ec2::254]/",
  "http://168.63.129.16/",
  "http://metadata.google.internal/",
  "http://10.0.0.1/",
  "http://192.168.0.1/",
  "http://100.100.100.200/",
];
const SCHEMES = [
  "file:///etc/passwd",
  "gopher://127.0.0.1/",
  "ftp://127.0.0.1/",
  "s3://bucket-of-others/key",
  "http:127.0.0.1",
];

export const ssrf: Attack = {
  name: "SSRF in every spelling, mixed answers, rebinding, redirects",
  async run(target) {
    ownOf(target);
    await using inside = await listenAt("127.0.0.1", (_, response) => response.end("secret of the inside"));
    await using outside = await listenAt(HOSTILE_HOST, (request, response) => {
      const to = decodeURIComponent(request.url?.slice(1) ?? "");
      if (to) response.writeHead(302, { location: to }).end();
      else response.end("a document");
    });
    const own = [`http://127.0.0.1:${target.port}/metrics`, `http://${HOSTILE_HOST}:${target.port}/metrics`];
    const redirects = [
      inside.url,
      `${outside.url}/${encodeURIComponent(inside.url)}`,
      "http://169.254.169.254/",
      "file:///etc/passwd",
      `//127.0.0.1:${inside.port}/`,
    ].map((to) => `${outside.url}/${encodeURIComponent(to)}`);
    const stage = (url: string) => ({ type: { case: "http" as const, value: { url } } });
    const start = (["fetch", "detect", "extract"] as const).map((type) => ({
      type: { case: type, value: {} } as never,
    }));
    const name = `ssrf-${Date.now()}`;
    const asked = await target.admin.client.pipelines
      .createPipeline({ name, config: { stages: [...start, stage(`http://127.0.0.1:${inside.port}/`)] } })
      .then(() => endOf(target.alice, { pipelineName: name, source: { case: "text", value: "x" } }))
      .catch((error: { reason: string }) => error.reason);
    const ends = async (what: string, urls: readonly string[]): Promise<Tried> => {
      const seen = await Promise.all(
        urls.map(async (value) => ({
          value,
          end: await endOf(target.alice, { source: { case: "uri", value } }),
        })),
      );
      const wrong = seen.filter(
        ({ end }) => !/^(EGRESS_DENIED|INVALID_REQUEST|SOURCE_UNREACHABLE|SOURCE_REFUSED)$/.test(end),
      );
      const kinds = [...new Set(seen.map(({ end }) => end))].join(", ");
      return {
        what: `${what}, ${urls.length} addresses`,
        came: wrong[0] ? `${wrong[0].end} for ${wrong[0].value}` : kinds,
        held: wrong.length === 0,
      };
    };
    const fetched = await endOf(target.alice, { source: { case: "uri", value: `${outside.url}/` } });
    const tries = [
      await ends("this machine, spelled in every way", spellings(inside.port)),
      await ends("places of clouds and local networks", METADATA),
      await ends("other schemes", SCHEMES),
      await ends("the server itself", own),
      await ends("redirects", redirects),
      { what: "the http stage, to this machine", came: asked, held: asked === "EGRESS_DENIED" },
      ...(await throughResolver(inside.port)),
      { what: "calls that reached the inside", came: String(inside.calls), held: inside.calls === 0 },
      {
        what: "an address that is allowed (right, to compare)",
        came: fetched,
        held: fetched === "COMPLETED",
      },
    ];
    return tries;
  },
};

/** What names resolve to is not an attacker's to say here, so the module is asked as the service asks it. */
async function throughResolver(port: number): Promise<Tried[]> {
  const dial = async (what: string, ...answers: string[][]): Promise<Tried> => {
    const egress = createEgress({
      policy: { ...parsePlaces([]), allowHttp: true },
      own: () => [],
      resolve: async () => answers.shift() ?? ["127.0.0.1"],
    });
    const signal = AbortSignal.timeout(3_000);
    const came = await egress.call({ url: `http://rebind.example.org:${port}/`, signal }).then(
      ({ status }) => String(status),
      (error: { reason?: string; name: string }) => error.reason ?? error.name,
    );
    await egress.close();
    return { what, came, held: !/^\d/.test(came) };
  };
  return [
    await dial("a name with a public and a private address", ["192.88.99.1", "127.0.0.1"]),
    // TEST-NET would be refused as such; nobody answers there either.
    await dial("a name that is private from the second look on", ["203.0.112.1"], ["127.0.0.1"]),
  ];
}
