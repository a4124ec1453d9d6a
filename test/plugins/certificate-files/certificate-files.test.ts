// Certificates from files: what is read, and what is said of a file that cannot be used.

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { readCertificates } from '../../../plugins/certificate-files/certificate-files.ts'
import { OperatorFault } from '../../../protocol/failure.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { requireProgram } from '../../support/programs.ts'
import { temporaryFolder } from '../../support/server.ts'

const { skip } = requireProgram('openssl')
const clock = () => Date.now()

t.test('names come from the certificates, and keys do not print', { skip }, async (t) => {
  const authority = makeAuthority(temporaryFolder(t))
  const names = ['A.example', '*.b.example']
  const { certificate, key } = authority.issue('server', { names })
  const files = { tlsCertificate: [certificate], tlsKey: [key], tlsClientCa: authority.file }
  const read = readCertificates(files, clock)
  t.match(read, { pairs: [{ names: ['a.example', '*.b.example'] }], clientCa: authority.text })
  t.same([read.clientCrl, read.warnings], [undefined, []])
  t.notMatch(inspect(read, { depth: 9 }) + JSON.stringify(read), /PRIVATE/)
  t.match(read.pairs[0]?.key.reveal(), /PRIVATE/)
})

t.test('a certificate that is not valid now is warned of', { skip }, async (t) => {
  const authority = makeAuthority(temporaryFolder(t))
  const { certificate, key } = authority.issue('server')
  const files = { tlsCertificate: [certificate], tlsKey: [key] }
  const week = 7 * 86_400_000
  t.match(readCertificates(files, () => Date.now() + week).warnings, [/server\.pem expired at /])
  t.match(readCertificates(files, () => Date.now() - week).warnings, [/is not valid before /])
})

t.test('whatever is wrong with a file is one line that names it', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const authority = makeAuthority(folder)
  const { certificate, key } = authority.issue('server')
  const locked = join(folder, 'locked.key')
  const cipher = ['-aes256', '-passout', 'pass:secret']
  execFileSync('openssl', ['pkey', '-in', key, '-out', locked, ...cipher], { stdio: 'pipe' })
  const text = join(folder, 'text')
  writeFileSync(text, 'nonsense')
  const other = authority.issue('other', { names: ['other.example'] })
  // It has an address and no name.
  const unnamed = authority.issue('unnamed')
  const second = (it: typeof other) => ({
    tlsCertificate: [certificate, it.certificate],
    tlsKey: [key, it.key],
  })
  const good = { tlsCertificate: [certificate], tlsKey: [key] }
  t.equal(readCertificates(second(other), clock).pairs.length, 2)
  const halves = join(folder, 'halves.pem')
  writeFileSync(halves, `${authority.text}\n-----BEGIN CERTIFICATE-----\nAAAA\n`)
  const cases = [
    [{ ...good, tlsClientCa: halves }, /the certificate .*halves\.pem is not PEM, or damaged$/],
    [{ ...good, tlsCertificate: [text] }, /the certificate .*text is not PEM, or damaged$/],
    [{ ...good, tlsKey: [text] }, /text is not a private key in PEM$/],
    [{ ...good, tlsKey: [other.key] }, /other\.key does not belong to .*server\.pem$/],
    [second(unnamed), /unnamed\.pem has no DNS name/],
    [{ ...good, tlsKey: [locked] }, /locked\.key has a passphrase: take it off$/],
    [{ ...good, tlsKey: [folder] }, /cannot be read \(EISDIR\)$/],
    [{ ...good, tlsClientCa: text }, /the certificate .*text is not PEM, or damaged$/],
    [
      { ...good, tlsClientCa: authority.file, tlsClientCrl: text },
      /revocation list .* is not PEM$/,
    ],
  ] as const
  for (const [files, message] of cases) {
    t.throws(() => readCertificates(files, clock), { message })
    t.throws(() => readCertificates(files, clock), OperatorFault)
  }
})
