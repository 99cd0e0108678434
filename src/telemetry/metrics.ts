import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Every metric of the service: name, type and labels in one place. All labels have few values. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "sluice_" });
  const registers = [registry];
  const readers: (() => Promise<void>)[] = [];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];
  return {
    registry,
    /** Calls `read` whenever the metrics are read, so that gauges cost nothing in between. It must not throw. */
    onRead(read: () => Promise<void>): void {
      readers.push(read);
    },
    jobsCreated: counter("sluice_jobs_created_total", "Jobs created.", ["pipeline", "priority"]),
    jobsCompleted: counter("sluice_jobs_completed_total", "Jobs completed.", ["pipeline", "priority"]),
    jobsFailed: counter("sluice_jobs_failed_total", "Jobs failed for good.", [
      "pipeline",
      "priority",
      "reason",
    ]),
    jobsQuarantined: counter(
      "sluice_jobs_quarantined_total",
      "Jobs set aside because worker after worker was lost on them; they count as failed too.",
      ["pipeline", "priority"],
    ),
    jobsCancelled: counter("sluice_jobs_cancelled_total", "Jobs cancelled.", ["pipeline", "priority"]),
    jobsRetried: counter("sluice_jobs_retried_total", "Attempts that failed and are tried again.", [
      "pipeline",
      "reason",
    ]),
    leasesLost: counter("sluice_leases_lost_total", "Attempts that lost their lease before they ended.", [
      "cause",
    ]),
    jobSeconds: new Histogram({
      name: "sluice_job_duration_seconds",
      help: "Time from the claim of an attempt to its end.",
      labelNames: ["pipeline", "outcome"],
      buckets: seconds,
      registers,
    }),
    stageSeconds: new Histogram({
      name: "sluice_stage_duration_seconds",
      help: "Time a stage took.",
      labelNames: ["stage", "outcome"],
      buckets: seconds,
      registers,
    }),
    webhookAttempts: counter("sluice_webhook_attempts_total", "Attempts to deliver events to webhooks.", [
      "outcome",
    ]),
    webhookSeconds: new Histogram({
      name: "sluice_webhook_duration_seconds",
      help: "Time an attempt to deliver an event took.",
      buckets: seconds,
      registers,
    }),
    webhookBacklog: new Gauge({
      name: "sluice_webhook_backlog",
      help: "Deliveries of webhooks that are due, up to 100,000.",
      registers,
    }),
    webhookOldestSeconds: new Gauge({
      name: "sluice_webhook_oldest_due_seconds",
      help: "How long the delivery that waits longest at an endpoint without failures has been due.",
      registers,
    }),
    pickupSeconds: new Histogram({
      name: "sluice_job_pickup_seconds",
      help: "Time from when a job could run to when a worker claimed it.",
      labelNames: ["priority"],
      buckets: seconds,
      registers,
    }),
    rpcSeconds: new Histogram({
      name: "sluice_rpc_duration_seconds",
      help: "Time a call took, by full method name and code.",
      labelNames: ["method", "code"],
      buckets: seconds,
      registers,
    }),
    rateLimited: counter(
      "sluice_rate_limited_total",
      "Requests refused because an address or a user made too many.",
      ["limit"],
    ),
    queueDepth: new Gauge({
      name: "sluice_queue_depth",
      help: "Jobs that wait to run, by priority; delayed ones apart.",
      labelNames: ["priority", "state"],
      registers,
      async collect() {
        for (const read of readers) await read();
      },
    }),
    queueOldestSeconds: new Gauge({
      name: "sluice_queue_oldest_age_seconds",
      help: "Age of the oldest job that could run now, by priority.",
      labelNames: ["priority"],
      registers,
    }),
    auditQueued: new Gauge({
      name: "sluice_audit_queued_rows",
      help: "Rows of the audit log that wait in memory for the database.",
      registers,
    }),
    auditSpilled: new Gauge({
      name: "sluice_audit_spilled_rows",
      help: "Rows of the audit log that wait on the disk for the database.",
      registers,
    }),
    auditLost: new Counter({
      name: "sluice_audit_lost_rows_total",
      help: "Rows of the audit log that neither database nor disk took.",
      registers,
    }),
    auditFlushSeconds: new Histogram({
      name: "sluice_audit_flush_seconds",
      help: "Time the database took for a batch of rows of the audit log.",
      buckets: seconds,
      registers,
    }),
    auditUnsealed: new Gauge({
      name: "sluice_audit_unsealed_entries",
      help: "Entries of the audit log that wait for their place in the chain.",
      registers,
    }),
    auditUnsealedSeconds: new Gauge({
      name: "sluice_audit_unsealed_oldest_age_seconds",
      help: "How long the oldest of them has waited.",
      registers,
    }),
    openStreams: new Gauge({ name: "sluice_open_streams", help: "Server streams open now.", registers }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
