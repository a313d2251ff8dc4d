/**
 * The schema of an app, which says how it is started: appc spec 0.8.11, `spec/aci.md`, `app`.
 *
 * @module
 */

import * as z from "zod/mini";
import { UserTexts } from "./labels.ts";
import { listOf, uniqueBy } from "./lists.ts";
import {
  ACIdentifier,
  ACName,
  ArgumentText,
  Command,
  Flag,
  Id,
  InAppPath,
  NotEmpty,
  textThat,
  wholeNumber,
  WorkingDirectory,
} from "./names.ts";
import { type Checked, schema } from "./schema.ts";

const VariableName = textThat(
  (name) => /^[A-Za-z_][A-Za-z_0-9.-]*$/.test(name),
  "is not a name that a variable can have",
);

/** One variable of an app's environment. */
export const EnvironmentVariable = schema(() =>
  z.object({
    name: VariableName(),
    value: z._default(ArgumentText(), ""),
  })
);

/** A place in an app's file system that wants a volume. */
export const MountPoint = schema(() =>
  z.object({
    name: ACName(),
    path: InAppPath(),
    readOnly: Flag(),
  })
);

const PortNumber = wholeNumber(1, 65535);
const PortCount = wholeNumber(0, 65535);

/** One port, or several consecutive ports, that an app listens on. */
export const Port = schema(() =>
  z.object({
    name: ACName(),
    protocol: z._default(z.string(), ""),
    port: PortNumber(),
    /** How many ports there are; 0 means 1. */
    count: z._default(PortCount(), 1),
    /** Whether the executor listens, and passes the socket on to the app. */
    socketActivated: z._default(z.boolean(), false),
  }).check(z.refine(({ port, count }) => port + count <= 65536, "ends after port 65535"))
);

/** A limit or privilege. The form of its value depends on its name: `readIsolators` reads it. */
export const Isolator = schema(() =>
  z.object({ name: ACIdentifier(), value: z.optional(z.unknown()) })
);

/** The isolators of an app or a pod. */
export const IsolatorList = schema(() => listOf(Isolator));

/** A program that runs before an app starts or after it ends. */
const EventHandler = schema(() =>
  z.object({
    name: z.literal(["pre-start", "post-stop"]),
    exec: Command(),
  })
);

/** How an app is started. */
export const App = schema(() =>
  z.object({
    exec: Command(),
    user: NotEmpty(),
    group: NotEmpty(),
    supplementaryGIDs: listOf(Id),
    workingDirectory: z.optional(WorkingDirectory()),
    environment: uniqueBy(EnvironmentVariable, "name", "variable"),
    mountPoints: listOf(MountPoint),
    ports: listOf(Port),
    eventHandlers: uniqueBy(EventHandler, "name", "event handler"),
    isolators: IsolatorList(),
    userAnnotations: UserTexts(),
    userLabels: UserTexts(),
  })
);

export type App = Checked<typeof App>;
export type EnvironmentVariable = Checked<typeof EnvironmentVariable>;
export type Isolator = Checked<typeof Isolator>;
export type MountPoint = Checked<typeof MountPoint>;
export type Port = Checked<typeof Port>;
