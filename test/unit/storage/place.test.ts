import { expect, test } from "vitest";
import { placeOfStore } from "../../../src/storage/create-store.ts";
import { parseS3Place } from "../../../src/storage/s3/place.ts";

const amazon = { prefix: "", region: "us-east-1", endpoint: null, publicEndpoint: null, pathStyle: false };

test.each([
  ["s3://bucket", { ...amazon, bucket: "bucket" }],
  ["s3://bucket/", { ...amazon, bucket: "bucket" }],
  [
    "s3://my.bucket/a/b/?region=eu-west-1",
    { ...amazon, bucket: "my.bucket", prefix: "a/b", region: "eu-west-1" },
  ],
  [
    "s3://bucket/p?endpoint=http://minio:9000",
    { ...amazon, bucket: "bucket", prefix: "p", endpoint: "http://minio:9000", pathStyle: true },
  ],
  [
    "s3://bucket?endpoint=https://s3.example.org&path_style=false&public_endpoint=https%3A%2F%2Ffiles.example.org",
    {
      ...amazon,
      bucket: "bucket",
      endpoint: "https://s3.example.org",
      publicEndpoint: "https://files.example.org",
    },
  ],
] as const)("%s is read whole", (url, place) => {
  expect(placeOfStore(url)).toEqual({ s3: place });
});

test.each([
  ["s3://key:s3cr3t@bucket", /must not hold credentials; give them as SLUICE_S3_ACCESS_KEY_ID/],
  ["s3://", /is not an address|the bucket's name has/],
  ["s3://b", /the bucket's name has 3 to 63/],
  ["s3://bucket:99/x", /the bucket's name has/],
  ["s3://bucket/a/../b//c", /what follows the bucket/],
  ["s3://bucket/a%2f..", /what follows the bucket/],
  ["s3://bucket?secret=s3cr3t", /only endpoint, path_style, public_endpoint, region may follow/],
  ["s3://bucket?endpoint=minio:9000", /endpoint must be http:\/\/host:port/],
  ["s3://bucket?endpoint=http://a:s3cr3t@minio", /endpoint must be http:\/\/host:port/],
  ["s3://bucket?endpoint=http://minio/path", /endpoint must be http:\/\/host:port/],
  ["s3://bucket?region=a b", /the region must be a name/],
  ["s3://bucket?path_style=yes", /path_style must be true or false/],
  ["ftp://host/s3cr3t", /ftp:\/\/ is not known; use a folder, .* or a bucket/],
  ["here", /is no address; use a folder/],
])("%s is refused with a sentence that names the setting and no secret", (url, sentence) => {
  expect(() => placeOfStore(url)).toThrow(sentence);
  expect(() => placeOfStore(url)).toThrow(/^SLUICE_STORAGE_URL: (?!.*s3cr3t)/);
});

test("what an address leaves out is taken from the service that is given", () => {
  const service = {
    region: "r-1",
    endpoint: "http://minio:9000",
    publicEndpoint: null,
    pathStyle: true,
  };
  expect(parseS3Place("s3://bucket/p", "X", service)).toEqual({ ...service, bucket: "bucket", prefix: "p" });
  expect(parseS3Place("s3://bucket?region=r-2", "X", service)).toMatchObject({
    region: "r-2",
    pathStyle: true,
  });
});
