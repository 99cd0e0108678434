import { expect, test } from "vitest";
import {
  beginSignature,
  isBrokenSecret,
  signatureOf,
  signingKey,
} from "../../../src/lib/standard-webhooks.ts";

test("a message is signed as the libraries of Standard Webhooks sign it", () => {
  // The example of the specification's own libraries.
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const hmac = beginSignature(signingKey(secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
  hmac.update('{"test":').update(" 2432232314}");
  expect(signatureOf(hmac)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("a secret of any other form is taken as it is, one that only begins as such is told", () => {
  const [one, other] = ["secret", "whsec secret"].map((secret) =>
    signatureOf(beginSignature(signingKey(secret), "i", 1)),
  );
  expect(one).not.toBe(other);
  expect(["", "secret", "whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"].filter(isBrokenSecret)).toEqual(
    [],
  );
  expect(
    ["whsec_", "whsec_!", "whsec_MfKQ", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"].filter(isBrokenSecret),
  ).toHaveLength(4);
});
