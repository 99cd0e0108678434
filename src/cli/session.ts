import { createSluice, type SessionTokens } from "@sluice/sdk";

/** Logs in and gives the tokens of the new session. */
export async function newTokens(
  url: string,
  login: { readonly email: string; readonly password: string },
): Promise<SessionTokens> {
  const anonymous = createSluice({ url });
  try {
    const { accessToken, refreshToken, expireTime } = await anonymous.auth.login(login);
    return { accessToken, refreshToken, expireTimeMs: Number(expireTime?.seconds ?? 0n) * 1000 };
  } finally {
    anonymous.close();
  }
}
