/** The version of this package; it goes into the header `user-agent` where the platform lets it. */
export const VERSION = "0.1.0";
