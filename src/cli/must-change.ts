import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "@sluice/sdk";

/** Response header of GetCaller: the user has a password that somebody else chose. */
const HEADER = "sluice-must-change-password";
const TIMEOUT_MS = 10_000;

/** True if the server says that the owner of this API key or access token must change the password. */
export async function mustChangePassword(url: string, credential: string): Promise<boolean> {
  let answer: string | null = null;
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  await createClient(AuthService, transport)
    .getCaller(
      {},
      {
        headers: { authorization: `Bearer ${credential}` },
        timeoutMs: TIMEOUT_MS,
        onHeader: (headers) => {
          answer = headers.get(HEADER);
        },
      },
    )
    // The login itself has succeeded: a hint that cannot be had is no reason to let it fail.
    .catch(() => {});
  return answer === "true";
}
