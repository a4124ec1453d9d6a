// What is in docker/: its files, and compose.yaml as Docker understands it.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { requireProgram } from '../support/programs.ts'

const folder = new URL('../../../docker/', import.meta.url)

/** The path of a file of docker/. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(name, folder))
}

export function readDockerFile(name: string): string {
  return readFileSync(pathOf(name), 'utf8')
}

/** The variables of example.env. */
export function readExampleEnvironment(): Readonly<Record<string, string>> {
  const lines = readDockerFile('example.env').split('\n')
  const pairs = lines.filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    pairs.map((line) => {
      const [, name, value = ''] = /^([A-Z_]+)=(.*)$/.exec(line) ?? []
      if (name === undefined) throw new Error(`example.env: ${line}`)
      return [name, value] as const
    }),
  )
}

interface ComposeService {
  readonly image: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly restart?: string
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly ports?: readonly { readonly host_ip?: string; readonly published: string }[]
  readonly networks: Readonly<Record<string, { readonly ipv4_address?: string } | null>>
  readonly volumes?: readonly { readonly type: string; readonly target: string }[]
  readonly env_file?: readonly { readonly path: string; readonly required: boolean }[]
  readonly environment?: Readonly<Record<string, string>>
  readonly stop_grace_period?: string
  readonly deploy?: {
    readonly resources?: { readonly limits?: { readonly cpus?: string; readonly memory?: string } }
  }
}

export interface ComposeModel {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

/** The model of these files together, as compose-go reads them: what Docker's own command does.
 * Throws with what is wrong. Skip the test by `requireProgram('compose-go').skip`. */
export function readCompose(...files: readonly string[]): ComposeModel {
  const { command = '' } = requireProgram('compose-go')
  // Paths are from the folder of the files; secrets of this environment are not of the model.
  const options = { cwd: fileURLToPath(folder), env: {}, encoding: 'utf8' } as const
  const outcome = spawnSync(command, ['-format', 'json', ...files], options)
  if (outcome.status !== 0) throw new Error(outcome.stderr || String(outcome.error))
  return JSON.parse(outcome.stdout)
}
