import { WebhooksService } from "../../gen/sluice/v1/webhooks_pb.ts";
import { registerService, type ServiceRegistration } from "./service.ts";

/**
 * Services of the contract without a handler so far. They are registered all the same, so that their methods refuse
 * whoever may not call them and tell only the others that they are not there yet.
 */
export const unbuiltServices: readonly ServiceRegistration[] = [registerService(WebhooksService, {})];
