// The tables, and the steps that bring a database of an older version to them. The number of
// steps done stands in the file's user_version. Steps are only ever added at the end.

import { OperatorFault } from '../../protocol/failure.ts'
import type { SqlDriver } from './driver.ts'
import { makeTransact } from './transaction.ts'

/** users: who exists. Never removed. `password_hash` NULL: the user has no password. `hides_reads`
 * 1: others do not see what the user has read.
 *
 * conversations: group ones have `group_id` and `title` (a JSON string, because SQLite text ends
 * at a NUL for some engines), direct ones the sorted pair of users. `members` counts the rows of
 * the table of that name. Never removed.
 *
 * members: who is in a conversation. `delivered` and `read` are watermarks, which only move up;
 * `receipt_at` is when one of them last did, `muted_until` until when the member has muted the
 * conversation, both ms since the epoch. Removed when the member leaves.
 *
 * messages: the log. Rows lie in the order of their commit, so that an append writes to the end of
 * one tree only; `position` is that global order. Keyed by integers: text keys cost 2.7 times the
 * CPU of an append (54 µs a row against 20). `seq` counts 1, 2, 3, … per conversation. A row with
 * `entries` above 1 is a run (runs.ts): its entries end at `seq`, their ids are in `ids`. Never
 * removed.
 *
 * ids: the message ids of entries within runs. An id is here or in a row of `messages` that is one
 * entry, never in both. Never removed.
 *
 * devices: durable devices with their subscriptions as JSON, each as its port has it
 * (`Subscription`), without the options that are not set. `expiry_ms` is how long a session lasts
 * without its device, if that has said so, and then `ends_at` is set while the device is away.
 * Removed when the session ends.
 *
 * cursors: how far a device is in a conversation; removed with the device and when its user leaves
 * the conversation, so a cursor always belongs to a member.
 *
 * packets: the packet ids a durable device has taken at QoS 2: from the commit of the message, at
 * (seq, at) of its conversation, to the PUBREL. A row is small beside the message it came with, and
 * there are at most 65,535 for a device. Removed by the release, and with the device.
 *
 * jobs: what is to be done later. `dedupe` is the job's key, `payload` JSON, `run_at` when it is
 * due. `state`: `waiting`, `running` in the process that has the store open, or `dead` since
 * `dead_at`. `attempts` have failed, `crashes` processes were killed while they ran it. Removed
 * when it is done; a dead one when it was kept long enough (services/jobs/limits.ts).
 *
 * probe: at most one row, only while a check of the store runs. */
const steps: readonly string[] = [
  `
  CREATE TABLE users (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE conversations (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    group_id TEXT,
    title TEXT,
    first_user TEXT REFERENCES users (id),
    second_user TEXT REFERENCES users (id),
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE members (
    conversation INTEGER NOT NULL REFERENCES conversations (key),
    user TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    joined_seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX members_by_user ON members (user);

  CREATE TABLE messages (
    position INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    id TEXT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    fields TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX messages_by_seq ON messages (conversation, seq);
  CREATE UNIQUE INDEX messages_by_id ON messages (conversation, sender, id) WHERE id IS NOT NULL;

  CREATE TABLE devices (
    key INTEGER PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (id),
    device TEXT NOT NULL,
    subscriptions TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (user, device)
  ) STRICT;

  CREATE TABLE cursors (
    device INTEGER NOT NULL REFERENCES devices (key) ON DELETE CASCADE,
    conversation INTEGER NOT NULL,
    acked INTEGER NOT NULL CHECK (acked >= 0),
    sent INTEGER NOT NULL CHECK (sent >= acked),
    PRIMARY KEY (device, conversation)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE probe (
    key INTEGER PRIMARY KEY CHECK (key = 1),
    filler BLOB NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE packets (
    device INTEGER NOT NULL REFERENCES devices (key) ON DELETE CASCADE,
    packet_id INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (device, packet_id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE users ADD COLUMN hides_reads INTEGER NOT NULL DEFAULT 0;

  ALTER TABLE conversations ADD COLUMN members INTEGER NOT NULL DEFAULT 0;
  UPDATE conversations
  SET members = (SELECT count(*) FROM members WHERE conversation = conversations.key);

  ALTER TABLE members ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE members ADD COLUMN read INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE members ADD COLUMN receipt_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE members ADD COLUMN muted_until INTEGER NOT NULL DEFAULT 0;
  -- Nobody could say what was read: nothing that is old is unread.
  UPDATE members
  SET delivered = (
      SELECT coalesce(max(cursors.acked), 0)
      FROM devices JOIN cursors ON cursors.device = devices.key
      WHERE devices.user = members.user AND cursors.conversation = members.conversation
    ),
    read = (SELECT coalesce(max(seq), 0) FROM messages WHERE conversation = members.conversation);
  `,
  `
  ALTER TABLE devices ADD COLUMN expiry_ms INTEGER;
  ALTER TABLE devices ADD COLUMN ends_at INTEGER;
  CREATE INDEX devices_by_end ON devices (ends_at) WHERE ends_at IS NOT NULL;
  `,
  `
  ALTER TABLE messages ADD COLUMN entries INTEGER NOT NULL DEFAULT 1;

  CREATE TABLE ids (
    conversation INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, sender, id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    dedupe TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'dead')),
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,
    dead_at INTEGER,
    reason TEXT
  ) STRICT;
  CREATE INDEX jobs_by_time ON jobs (kind, state, run_at);
  CREATE INDEX jobs_by_key ON jobs (kind, dedupe) WHERE dedupe IS NOT NULL;
  `,
]

/** The version this program writes and reads. */
export const schemaVersion = steps.length

/** Brings the database to `to` (tests make older ones), each step in a transaction of its own.
 * Throws `OperatorFault` when the database was written by a newer program. */
export function migrate(driver: SqlDriver, to = schemaVersion): void {
  const transact = makeTransact(driver)
  const version = driver.prepare<{ user_version: number }>('PRAGMA user_version').get([])
  const from = version?.user_version ?? 0
  if (from > schemaVersion) {
    throw new OperatorFault(
      `the data folder was written by a newer program (its database has version ${from}, ` +
        `this program knows ${schemaVersion}); use that program, or an older copy of the data`,
    )
  }
  for (const [index, sql] of steps.entries()) {
    if (index < from || index >= to) continue
    transact(() => {
      driver.exec(sql)
      driver.exec(`PRAGMA user_version = ${index + 1}`)
    })
  }
}
