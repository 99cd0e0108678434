/** The log of every job, as other rooms write and read it. */
export { eventInsert, readEvents, readEventsOf } from "./queries.ts";
