import type { Attack, Flood } from "../attack.ts";
import { auditRows } from "./audit-rows.ts";
import { bodies } from "./bodies.ts";
import { evilOrigins, forwardedFor } from "./browsers.ts";
import { bombs, traversal } from "./documents.ts";
import { massAssignment, prototypes } from "./fields.ts";
import { anonymousBombs, garbage, loginFlood } from "./floods.ts";
import { othersObjects } from "./idor.ts";
import { forgedTokens, oddClaims } from "./jwt.ts";
import { apiKeys } from "./keys.ts";
import { signedLinks } from "./links.ts";
import { oddText, pageSizes, pageTokens, sqlInFilters } from "./lists.ts";
import { bruteForce, enumeration } from "./login.ts";
import { logInjection } from "./logs.ts";
import { hostileReceivers, hostileServices } from "./receivers.ts";
import { refreshTokens } from "./refresh.ts";
import { rapidReset } from "./resets.ts";
import { roles } from "./roles.ts";
import { slowBodies, slowHeaders } from "./slow.ts";
import { ssrf } from "./ssrf.ts";
import { unreadStreams } from "./unread.ts";

/** One after the other. Those that use up what an address may try come last. */
export const ATTACKS: readonly Attack[] = [
  forgedTokens,
  oddClaims,
  apiKeys,
  refreshTokens,
  roles,
  othersObjects,
  massAssignment,
  prototypes,
  ssrf,
  hostileServices,
  hostileReceivers,
  bodies,
  pageSizes,
  pageTokens,
  sqlInFilters,
  oddText,
  traversal,
  bombs,
  signedLinks,
  evilOrigins,
  forwardedFor,
  logInjection,
  auditRows,
  enumeration,
  bruteForce,
];

/** All at once, beside a client that behaves well. */
export const FLOODS: readonly Flood[] = [
  anonymousBombs,
  garbage,
  slowHeaders,
  slowBodies,
  rapidReset,
  unreadStreams,
  loginFlood,
];
