// Programs that some tests need and that do not come with npm: which of them are here, and the
// reason to skip by where one is not. `.ci/run` installs them all, and there a skip is a failure.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { isExecutable } from '../../cli/greeting.ts'

const debianPackages = {
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto: 'mosquitto',
  'redis-server': 'redis-server',
  chromium: 'chromium',
  haproxy: 'haproxy',
  openssl: 'openssl',
} as const

/** Programs that Debian does not have: the variable that can name one, and where below the cache
 * folder `.ci/run` puts it. */
const cachedPrograms = {
  mongod: { variable: 'MONGOD_BIN', find: findMongod },
  'toxiproxy-server': {
    variable: 'TOXIPROXY_BIN',
    find: (cache: string) => [join(cache, 'bin/server')],
  },
  'compose-go': {
    variable: 'COMPOSE_GO_BIN',
    find: (cache: string) => [join(cache, 'compose/cmd')],
  },
  hadolint: {
    variable: 'HADOLINT_BIN',
    find: (cache: string) => [join(cache, 'hadolint/bin/hadolint')],
  },
} as const

/** A program that tests may need; `paho` is a python3 that can import paho.mqtt. */
export type ProgramName = keyof typeof debianPackages | keyof typeof cachedPrograms | 'paho'

/** `command` is the path to start; without it `skip` says what to install. */
export type Program =
  | { readonly command: string; readonly skip: false }
  | { readonly command: undefined; readonly skip: string }

/** Finds a program. Pass `skip` to a test: `t.test('…', { skip: program.skip }, …)`. */
export function requireProgram(name: ProgramName): Program {
  if (name === 'paho') return findPaho()
  if (isCached(name)) return findCached(name)
  const command = candidates(name).find(isExecutable)
  if (command !== undefined) return { command, skip: false }
  return { command: undefined, skip: `needs ${name} (apt-get install ${debianPackages[name]})` }
}

/** The first reason to skip among several programs; false when all are here. */
export function skipWithout(...names: readonly ProgramName[]): string | false {
  for (const name of names) {
    const { skip } = requireProgram(name)
    if (skip !== false) return skip
  }
  return false
}

function isCached(name: ProgramName): name is keyof typeof cachedPrograms {
  return name in cachedPrograms
}

function findCached(name: keyof typeof cachedPrograms): Program {
  const { variable, find } = cachedPrograms[name]
  const named = process.env[variable]
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'parley-ci')
  const command = (named ? [named] : [...find(cache), ...candidates(name)]).find(isExecutable)
  if (command !== undefined) return { command, skip: false }
  return { command: undefined, skip: `needs ${name} (.ci/run gets one, or set ${variable})` }
}

/** In a virtual environment of python: its folder is named by python's version. */
function findMongod(cache: string): readonly string[] {
  const libraries = join(cache, 'mongod/lib')
  try {
    const below = 'site-packages/fiftyone/db/bin/mongod'
    return readdirSync(libraries).map((python) => join(libraries, python, below))
  } catch {
    return []
  }
}

/** PARLEY_PYTHON, or else the first python3 of PATH that has paho: a version manager's python often
 * hides the distribution's, which is the one with the package. */
function findPaho(): Program {
  const named = process.env.PARLEY_PYTHON
  const pythons = named ? [named] : candidates('python3').filter(isExecutable)
  const command = pythons.find(hasPaho)
  if (command !== undefined) return { command, skip: false }
  return { command: undefined, skip: 'needs paho-mqtt (apt-get install python3-paho-mqtt)' }
}

function hasPaho(python: string): boolean {
  const script = 'import paho.mqtt.client'
  return spawnSync(python, ['-c', script], { stdio: 'ignore', timeout: 20_000 }).status === 0
}

/** Where the program may be. Daemons of Debian live in folders that a user's PATH may lack. */
function candidates(program: string): readonly string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin']
  return [...new Set(folders)].filter((folder) => folder !== '').map((f) => join(f, program))
}
