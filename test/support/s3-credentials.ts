/** What the S3 server of the tests knows; it takes no other key. */
export const S3_CREDENTIALS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
