// TLS certificates and private keys from PEM files. Whatever is wrong with a file is said in one
// line that names it, and never quotes it.

import type { KeyObject } from 'node:crypto'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Secret } from '../../config/secrets.ts'
import type { Clock } from '../../protocol/clock.ts'
import { OperatorFault } from '../../protocol/failure.ts'

interface CertificateFiles {
  /** Certificates with their chains, and the key of each. The first is the default. */
  readonly tlsCertificate: readonly string[]
  readonly tlsKey: readonly string[]
  readonly tlsClientCa?: string
  readonly tlsClientCrl?: string
}

interface Certificates {
  readonly pairs: readonly {
    /** Names of its subjectAltName, in lower case; `*.` at the beginning stands for one label. */
    readonly names: readonly string[]
    /** PEM, with the chain. */
    readonly certificate: string
    /** PEM. */
    readonly key: Secret
  }[]
  /** Authorities of clients, PEM. */
  readonly clientCa: string | undefined
  /** Revocation lists, PEM. */
  readonly clientCrl: string | undefined
  /** What the operator should mend, a line each; the rest works meanwhile. */
  readonly warnings: readonly string[]
}

/** Reads all files. Throws `OperatorFault` for the first that cannot be used. */
export function readCertificates(files: CertificateFiles, clock: Clock): Certificates {
  const { tlsCertificate, tlsKey, tlsClientCa, tlsClientCrl } = files
  const read = tlsCertificate.map((path, index) => {
    const { text, leaf } = readCertificate(path)
    const key = readKey(tlsKey[index] ?? '', { path, leaf })
    return { path, leaf, names: namesOf(leaf), certificate: text, key }
  })
  const nameless = read.slice(1).find(({ names }) => names.length === 0)
  if (nameless !== undefined) {
    throw new OperatorFault(
      `the certificate ${nameless.path} has no DNS name (subjectAltName): no client would get it`,
    )
  }
  return {
    pairs: read.map(({ names, certificate, key }) => ({ names, certificate, key })),
    clientCa: tlsClientCa === undefined ? undefined : readCertificate(tlsClientCa).text,
    clientCrl: tlsClientCrl === undefined ? undefined : readRevocations(tlsClientCrl),
    warnings: read.flatMap(({ path, leaf }) => validityWarnings(path, leaf, clock)),
  }
}

/** A file's text, and its first certificate. All are looked at: OpenSSL passes over what follows a
 * damaged one. */
function readCertificate(path: string): { text: string; leaf: X509Certificate } {
  const text = readText('certificate', path)
  const begun = text.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g) ?? []
  const whole = text.match(wholeCertificate) ?? []
  try {
    const [leaf] = whole.map((block) => new X509Certificate(block))
    if (leaf !== undefined && whole.length === begun.length) return { text, leaf }
  } catch {
    // The same as a block that has no end.
  }
  throw new OperatorFault(`the certificate ${path} is not PEM, or damaged`)
}

const wholeCertificate =
  /-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*CERTIFICATE-----/g

function readKey(
  path: string,
  certificate: { readonly path: string; readonly leaf: X509Certificate },
): Secret {
  const text = readText('private key', path)
  let key: KeyObject
  try {
    key = createPrivateKey(text)
  } catch {
    const fault = /^-----BEGIN ENCRYPTED|^Proc-Type: .*ENCRYPTED/m.test(text)
      ? 'has a passphrase: take it off'
      : 'is not a private key in PEM'
    throw new OperatorFault(`the private key ${path} ${fault}`)
  }
  if (certificate.leaf.checkPrivateKey(key)) return new Secret(text)
  throw new OperatorFault(`the private key ${path} does not belong to ${certificate.path}`)
}

function readRevocations(path: string): string {
  const text = readText('revocation list', path)
  if (text.includes('-----BEGIN X509 CRL-----')) return text
  throw new OperatorFault(`the revocation list ${path} is not PEM`)
}

function readText(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new OperatorFault(`the ${what} ${path} cannot be read (${codeOf(error)})`)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** The DNS names of a certificate. Node puts those that hold anything strange into quotes. */
function namesOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName.split(', ').flatMap((entry) => {
    const name = /^DNS:([\w.*-]+)$/.exec(entry)?.[1]
    return name === undefined ? [] : [name.toLowerCase()]
  })
}

function validityWarnings(path: string, leaf: X509Certificate, clock: Clock): string[] {
  const { validFrom, validTo } = leaf
  if (Date.parse(validTo) <= clock()) return [`the certificate ${path} expired at ${validTo}`]
  if (Date.parse(validFrom) <= clock()) return []
  return [`the certificate ${path} is not valid before ${validFrom}`]
}
