import { Code } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { failure } from "./errors.ts";
import { registerService, type ServiceRegistration } from "./service.ts";

/** Which services take calls. The empty name is the server as a whole. */
export interface HealthState {
  /** Null if there is no such service. */
  isServing(service: string): boolean | null;
  set(service: string, serving: boolean): void;
  setAll(serving: boolean): void;
  services(): readonly string[];
  /** Calls `onChange` after every change, until the function that it returns is called. */
  subscribe(onChange: () => void): () => void;
}

/** All services start as serving or not, as `serving` says. */
export function createHealthState(services: readonly string[], serving: boolean): HealthState {
  const states = new Map(["", ...services].map((service) => [service, serving]));
  const subscribers = new Set<() => void>();
  const notify = () => {
    for (const onChange of subscribers) onChange();
  };
  return {
    isServing: (service) => states.get(service) ?? null,
    set(service, now) {
      if (states.get(service) === now) return;
      states.set(service, now);
      notify();
    },
    setAll(now) {
      for (const service of states.keys()) states.set(service, now);
      notify();
    },
    services: () => [...states.keys()],
    subscribe(onChange) {
      subscribers.add(onChange);
      return () => subscribers.delete(onChange);
    },
  };
}

/** grpc.health.v1 over the state. */
export function healthService(state: HealthState): ServiceRegistration {
  const statusOf = (service: string) => {
    const serving = state.isServing(service);
    if (serving === null) return Serving.SERVICE_UNKNOWN;
    return serving ? Serving.SERVING : Serving.NOT_SERVING;
  };
  return registerService(
    Health,
    {
      check({ service }) {
        const status = statusOf(service);
        if (status === Serving.SERVICE_UNKNOWN) {
          throw failure({
            code: Code.NotFound,
            reason: "SERVICE_UNKNOWN",
            message: `There is no service ${service}.`,
          });
        }
        return { status };
      },
      list: () => ({
        statuses: Object.fromEntries(
          state.services().map((service) => [service, { status: statusOf(service) }]),
        ),
      }),
      async *watch({ service }, { signal }) {
        let wake = () => {};
        const unsubscribe = state.subscribe(() => wake());
        signal.addEventListener("abort", () => wake(), { once: true });
        try {
          let last: Serving | undefined;
          while (!signal.aborted) {
            const changed = new Promise<void>((resolve) => {
              wake = resolve;
            });
            const status = statusOf(service);
            if (status !== last) yield { status };
            last = status;
            await changed;
          }
        } finally {
          unsubscribe();
        }
      },
    },
    {
      publicBecause:
        "load balancers and orchestrators ask without a credential; it tells only who takes calls",
    },
  );
}
