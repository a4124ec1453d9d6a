// Certificates for tests, made by the openssl command in a folder of the test's own.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The files of a certificate and of its key, and what is in them. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
  /** As TLS clients want it. */
  readonly proof: { readonly cert: string; readonly key: string }
}

export interface Authority {
  /** The file of its own certificate, and its text. */
  readonly file: string
  readonly text: string
  /** Issues a certificate into `<name>.pem` and `<name>.key`, replacing what is there. */
  issue(name: string, fields?: Fields): Certificate
  /** Writes the list of what was revoked, these certificates now as well; returns its path. */
  revoke(...certificates: readonly Certificate[]): string
}

interface Fields {
  /** As `/O=alice/CN=lamp`. */
  readonly subject?: string
  /** DNS names of the subjectAltName. */
  readonly names?: readonly string[]
  /** When it ends; from now on, in ms. */
  readonly lastsMs?: number
}

const day = 86_400_000
const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function settings(name: string): string {
  return `[ca]
default_ca = own
[own]
certificate = ${name}.pem
private_key = ${name}.key
database = ${name}.index
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_crl_days = 1
policy = any
unique_subject = no
[any]
O = optional
CN = optional
`
}

/** Makes an authority that keeps its files in the folder. */
export function makeAuthority(folder: string, name = 'ca'): Authority {
  const path = (file: string): string => join(folder, file)
  const read = (file: string): string => readFileSync(file, 'utf8')
  const openssl = (...words: string[]) =>
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
  const sign = (...words: string[]) => openssl('ca', '-config', `${name}.cnf`, '-batch', ...words)
  const file = path(`${name}.pem`)
  const own = ['-keyout', `${name}.key`, '-out', file, '-subj', `/CN=${name}`, '-days', '2']
  openssl('req', '-x509', ...keyOptions, ...own, '-addext', 'keyUsage=keyCertSign,cRLSign')
  writeFileSync(path(`${name}.cnf`), settings(name))
  writeFileSync(path(`${name}.index`), '')

  return {
    file,
    text: read(file),

    issue(leaf, { subject = `/CN=${leaf}`, names = [], lastsMs = day } = {}) {
      const [certificate, key] = [path(`${leaf}.pem`), path(`${leaf}.key`)]
      const asked = ['-keyout', key, '-out', 'request.csr', '-subj', subject]
      openssl('req', '-new', ...keyOptions, ...asked)
      const alternatives = [...names.map((it) => `DNS:${it}`), 'IP:127.0.0.1'].join(',')
      writeFileSync(path('names.cnf'), `subjectAltName=${alternatives}\n`)
      const now = Date.now()
      const dates = ['-startdate', dateOf(now - 2 * day), '-enddate', dateOf(now + lastsMs)]
      sign('-in', 'request.csr', '-out', certificate, '-notext', '-extfile', 'names.cnf', ...dates)
      return { certificate, key, proof: { cert: read(certificate), key: read(key) } }
    },

    revoke(...certificates) {
      for (const { certificate } of certificates) sign('-revoke', certificate)
      const list = path(`${name}.crl`)
      sign('-gencrl', '-out', list)
      return list
    },
  }
}

/** A time as openssl wants it: 20260131235959Z. */
function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14)}Z`
}
