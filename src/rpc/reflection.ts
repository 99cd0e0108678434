import { create, createFileRegistry, type DescFile, type FileRegistry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  ServerReflection as ReflectionV1,
  type ServerReflectionRequest,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { registerService, type ServiceRegistration } from "./service.ts";

const NOT_FOUND = { errorCode: Code.NotFound, errorMessage: "not found" };

/** grpc.reflection v1 and v1alpha, which have the same fields, over the files of the services, so that clients need no schema. */
export function reflectionServices(services: readonly ServiceRegistration[]): ServiceRegistration[] {
  const described = [...services.map(({ service }) => service), ReflectionV1, ReflectionV1Alpha];
  const fileSet = create(FileDescriptorSetSchema, {
    file: withImports(described.map(({ file }) => file)).map(({ proto }) => proto),
  });
  const registry = createFileRegistry(fileSet);
  const names = described
    .map(({ typeName }) => ({ name: typeName }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

  const answerTo = ({ messageRequest: question }: ServerReflectionRequest) => {
    switch (question.case) {
      case "listServices":
        return { case: "listServicesResponse" as const, value: { service: names } };
      case "fileByFilename":
        return files(registry.getFile(withoutSuffix(question.value)));
      case "fileContainingSymbol":
        return files(fileOf(registry, question.value));
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const message = registry.getMessage(containingType);
        return files(message && registry.getExtensionFor(message, extensionNumber)?.file);
      }
      case "allExtensionNumbersOfType": {
        const message = registry.getMessage(question.value);
        if (!message) return { case: "errorResponse" as const, value: NOT_FOUND };
        const extensionNumber = [...registry]
          .filter((desc) => desc.kind === "extension" && desc.extendee.typeName === message.typeName)
          .map((desc) => (desc.kind === "extension" ? desc.number : 0));
        const value = { baseTypeName: message.typeName, extensionNumber };
        return { case: "allExtensionNumbersResponse" as const, value };
      }
      default:
        return {
          case: "errorResponse" as const,
          value: { errorCode: Code.InvalidArgument, errorMessage: "the request asks nothing" },
        };
    }
  };
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const request of requests) {
      const validHost = request.host;
      yield { validHost, originalRequest: request, messageResponse: answerTo(request) };
    }
  }
  const publicBecause =
    "the contract is published; clients such as grpcurl read it before they have a credential";
  return [
    registerService(ReflectionV1, { serverReflectionInfo }, { publicBecause }),
    registerService(
      ReflectionV1Alpha,
      { serverReflectionInfo: serverReflectionInfo as never },
      { publicBecause },
    ),
  ];
}

/** The file and all that it imports, each once. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Set<DescFile>();
  const visit = (file: DescFile) => {
    if (found.has(file)) return;
    // Imports first: a registry takes a file only after those.
    file.dependencies.forEach(visit);
    found.add(file);
  };
  files.forEach(visit);
  return [...found];
}

function files(file: DescFile | undefined) {
  if (!file) return { case: "errorResponse" as const, value: NOT_FOUND };
  const fileDescriptorProto = withImports([file]).map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

const withoutSuffix = (filename: string) => filename.replace(/\.proto$/, "");

/** The file of a message, enum, service or extension, or of a member of one of them. */
function fileOf(registry: FileRegistry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol)?.file;
  if (found) return found;
  const dot = symbol.lastIndexOf(".");
  if (dot < 0) return undefined;
  const parent = registry.get(symbol.slice(0, dot));
  const member = symbol.slice(dot + 1);
  switch (parent?.kind) {
    case "service":
      return parent.methods.some(({ name }) => name === member) ? parent.file : undefined;
    case "message":
      return [...parent.fields, ...parent.oneofs].some(({ name }) => name === member)
        ? parent.file
        : undefined;
    default:
      return undefined;
  }
}
