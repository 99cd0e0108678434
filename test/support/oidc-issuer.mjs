// An OpenID Connect issuer in a process of its own: a real one, with clients that get access tokens for themselves.
// The test that started it changes keys and claims over the channel between the two; see `oidc.ts`.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const { port, issuer, clients } = JSON.parse(process.argv[2]);
const claimsOf = new Map(Object.entries(clients));
const hits = { discovery: 0, keys: 0 };
let handler;

const makeKey = async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), use: "sig", alg: "ES256" };
};

/** From now on it signs with the first of the keys and publishes all. */
function serve(name, keys) {
  const provider = new Provider(name, {
    jwks: { keys },
    clients: [...claimsOf.keys()].map((client_id) => ({
      client_id,
      client_secret: "secret",
      id_token_signed_response_alg: "ES256",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    cookies: { keys: ["test"] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: "",
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
    extraTokenClaims: (_, { clientId }) => claimsOf.get(clientId),
  });
  handler = provider.callback();
}

const server = createServer((request, response) => {
  if (request.url.startsWith("/.well-known/")) hits.discovery++;
  if (request.url.startsWith("/jwks")) hits.keys++;
  handler(request, response);
});
server.listen(port, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  let keys = [await makeKey()];
  serve(issuer ?? url, keys);
  process.on("message", async ({ id, rotate, claims }) => {
    if (claims) claimsOf.set(claims.client, claims.of);
    if (rotate) {
      keys = [await makeKey(), ...(rotate === "keep" ? keys : [])];
      serve(issuer ?? url, keys);
    }
    process.send({ id, hits });
  });
  process.on("disconnect", () => process.exit());
  process.send({ id: 0, url });
});
