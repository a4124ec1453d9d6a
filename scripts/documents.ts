// The text of the documents that are printed from the code: docs/config.md, docs/errors.md,
// docs/metrics.md; and the tables of docs/scaling.md.

import { readFileSync } from 'node:fs'
import { withTables } from '../bench/model/tables.ts'
import { settingDescriptions } from '../config/descriptions.ts'
import { errorCatalogue } from '../protocol/errors.ts'
import { reasonCode } from '../protocol/reasons.ts'
import { metricCatalogue } from '../services/metrics/catalogue.ts'

const notice = '<!-- Printed by scripts/print-docs.ts; a test compares. Do not edit. -->'

/** The text of each printed document by its path. */
export function printedDocuments(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/config.md', configDocument()],
    ['docs/errors.md', errorsDocument()],
    ['docs/metrics.md', metricsDocument()],
    ['docs/scaling.md', scalingDocument()],
  ])
}

/** Written by hand, but for its tables. */
function scalingDocument(): string {
  return withTables(readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8'))
}

function configDocument(): string {
  const rows = settingDescriptions.map((setting) => [
    `\`${setting.key}\``,
    setting.flag === undefined ? '-' : `\`${setting.flag}\``,
    `\`${setting.variable}\``,
    setting.default === undefined ? '-' : `\`${setting.shownDefault}\``,
    setting.unit ?? '',
    setting.expectation,
    setting.description,
  ])
  return [
    notice,
    '',
    '# Settings',
    '',
    'A setting comes from its default, the configuration file, the environment, or a flag of',
    '`parley serve`; the later of these wins. The configuration file is one JSON object with the',
    'names of the first column, named by `--config FILE` or `PARLEY_CONFIG`. A variable that is',
    'empty counts as not set. An unknown name, a value out of its range, or values that',
    'contradict each other refuse the start with the full list of problems. `parley config`',
    'prints what is in effect, and where it came from.',
    '',
    'A secret has no flag, because other users of the machine can see the command line.',
    '',
    ...table(['setting', 'flag', 'variable', 'default', 'unit', 'a value is', 'meaning'], rows),
    '',
    'A number of bytes is written out: 64 MiB is 67108864.',
    '',
  ].join('\n')
}

const mqttMeanings = {
  explain: 'acknowledged, dropped, explained on `u/<me>/error`',
  close: 'the connection is closed',
  connack4: 'CONNACK 4 (bad user name or password)',
  connack5:
    'CONNACK 5 (not authorized); a publish is acknowledged, dropped, explained on `u/<me>/error`',
  none: '-',
}

/** `not authorized` by 0x87. */
const reasonNames: ReadonlyMap<number, string> = new Map(
  Object.entries(reasonCode).map(([name, code]) => [
    code,
    name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
  ]),
)

function errorsDocument(): string {
  const rows = Object.entries(errorCatalogue).map(([code, error]) => [
    `\`${code}\``,
    error.meaning,
    error.retryable ? 'yes' : 'no',
    String(error.http),
    mqttMeanings[error.mqtt],
    error.mqtt === 'none' ? '-' : `0x${error.reason.toString(16)} ${reasonNames.get(error.reason)}`,
  ])
  return [
    notice,
    '',
    '# Errors',
    '',
    'Everything that Parley refuses has one of these codes. Over HTTP the answer is a problem',
    'document (RFC 9457) with the code in `code`. Over MQTT it is what the last columns say, and',
    'the explanation on `u/<me>/error` is the JSON object `{"code", "detail", "packetId",',
    '"clientId"}`. With MQTT 5 a publish that is refused is told at once, too: its PUBACK or',
    'PUBREC has the reason code, the detail as Reason String and the code as the user property',
    '`code`. Retryable: the same request may succeed later.',
    '',
    ...table(['code', 'meaning', 'retryable', 'HTTP status', 'MQTT', 'reason in MQTT 5'], rows),
    '',
  ].join('\n')
}

function metricsDocument(): string {
  const rows = Object.entries(metricCatalogue).map(([name, { kind, labels, help }]) => [
    `\`${name}\``,
    kind,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ])
  return [
    notice,
    '',
    '# Metrics',
    '',
    '`GET /metrics` on the HTTP port answers in the text format of Prometheus, whatever the roles',
    'of the process. By default who is on the same machine may read it, and others with the token',
    'of the administration API as bearer; the setting `metricsAccess` says otherwise. What comes',
    'with the header `X-Forwarded-For` or `Forwarded` counts as from elsewhere; a proxy that sets',
    'neither passes everybody on, and wants `metricsAccess` to be `admin`.',
    '',
    ...table(['metric', 'kind', 'labels', 'meaning'], rows),
    '',
    'With them come the usual metrics of a process, `process_…` and `nodejs_…`: CPU, memory, open',
    'files, garbage collection and delay of the event loop (since the first scrape).',
    '',
    'With `--workers` whichever process is asked answers for all: counters, histograms and most',
    'gauges are added up, `parley_store_working` is the least, delays of the event loop are',
    'averages. Users and conversations count once in each process.',
    '',
  ].join('\n')
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)]
}
