// Certificates for tests, made by the openssl command in a folder of the test's own.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate with its key: paths, and their text. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
  readonly cert: string
  readonly keyText: string
}

export interface Authority {
  /** The file of its own certificate, and its text. */
  readonly file: string
  readonly text: string
  /** Issues a certificate into `<name>.pem` and `<name>.key`, replacing what is there. */
  issue(name: string, fields?: Fields): Certificate
  /** Writes a revocation list of these certificates; returns its path. */
  revoke(...certificates: readonly Certificate[]): string
}

interface Fields {
  /** As `/O=alice/CN=lamp`. */
  readonly subject?: string
  /** DNS names of the subjectAltName. */
  readonly names?: readonly string[]
  /** From now on; below 0 for one that has expired. */
  readonly days?: number
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const revocationSettings = `[ca]
default_ca = lists
[lists]
database = index.txt
default_md = sha256
`

/** Makes an authority that keeps its files in the folder. */
export function makeAuthority(folder: string, name = 'ca'): Authority {
  const path = (file: string) => join(folder, file)
  const openssl = (...words: string[]): string =>
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe', encoding: 'utf8' })
  const file = path(`${name}.pem`)
  const own = ['-keyout', `${name}.key`, '-out', file, '-subj', `/CN=${name}`, '-days', '2']
  openssl('req', '-x509', ...keyOptions, ...own, '-addext', 'keyUsage=keyCertSign,cRLSign')
  const signer = ['-CA', file, '-CAkey', `${name}.key`, '-CAcreateserial']

  return {
    file,
    text: readFileSync(file, 'utf8'),

    issue(leaf, { subject = `/CN=${leaf}`, names = [], days = 2 } = {}) {
      const [certificate, key] = [path(`${leaf}.pem`), path(`${leaf}.key`)]
      const request = ['-keyout', key, '-out', 'request.csr', '-subj', subject]
      openssl('req', '-new', ...keyOptions, ...request)
      const alternatives = [...names.map((it) => `DNS:${it}`), 'IP:127.0.0.1'].join(',')
      writeFileSync(path('extensions.cnf'), `subjectAltName=${alternatives}\n`)
      const made = ['-in', 'request.csr', '-out', certificate, '-days', String(days)]
      openssl('x509', '-req', ...signer, ...made, '-extfile', 'extensions.cnf')
      const read = (it: string) => readFileSync(it, 'utf8')
      return { certificate, key, cert: read(certificate), keyText: read(key) }
    },

    revoke(...certificates) {
      const rows = certificates.map(({ certificate }) => {
        const serial = openssl('x509', '-in', certificate, '-noout', '-serial').trim().slice(7)
        return `R\t401231000000Z\t260101000000Z\t${serial}\tunknown\t/CN=revoked\n`
      })
      writeFileSync(path('index.txt'), rows.join(''))
      writeFileSync(path('revocation.cnf'), revocationSettings)
      const list = path(`${name}.crl`)
      const signed = ['-keyfile', `${name}.key`, '-cert', file, '-crldays', '1', '-out', list]
      openssl('ca', '-config', 'revocation.cnf', '-gencrl', ...signed)
      return list
    },
  }
}
