/** A whole cluster on one machine: the lab, its traffic, a controller and two agents, and the truth beside their numbers. */
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { every } from '../runtime/every.ts';
import type { Log } from '../runtime/log.ts';
import type { DemoSettings } from './config.ts';
import { Display } from './display.ts';
import { InventoryOnFile } from './inventory-on-file.ts';
import { KhanProcess } from './khan-process.ts';
import { Lab } from './lab.ts';
import { type Sample, parsePage } from './page.ts';
import { hasProgram, requirePrograms } from './programs.ts';
import { LEAK, Scenario } from './scenario.ts';
import { NODES } from './topology.ts';
import { Traffic } from './traffic.ts';
import { type Row, compareOpen, compareOpened } from './truth.ts';
import { gainNamespaces } from './user-namespace.ts';

interface Options {
  readonly settings: DemoSettings;
  readonly log: Log;
  /** Ends the demo. */
  readonly signal: AbortSignal;
  /** Writes to stdout. */
  readonly print: (text: string) => void;
}
