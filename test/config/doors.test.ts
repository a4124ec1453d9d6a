// Settings of the doors that contradict each other.

import t from 'tap'
import { loadSettings, SettingsError } from '../../config/load.ts'

const tls = { mqttsPort: '8883', tlsCertificate: 'a.pem', tlsKey: 'a.key' }

function problemsOf(flags: Readonly<Record<string, string>>): readonly string[] {
  try {
    loadSettings({ flags, environment: {}, readFile: () => '{}' })
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
}

t.test('TLS is off until it has a port and a certificate', async (t) => {
  const { settings } = loadSettings({ flags: {}, environment: {}, readFile: () => '{}' })
  t.match(settings, { tlsCertificate: [], tlsKey: [], tlsClientAuth: 'none' })
  t.same(
    [settings.mqttsPort, settings.httpsPort, settings.tlsHost],
    [undefined, undefined, undefined],
  )
  const read = loadSettings({ flags: tls, environment: {}, readFile: () => '{}' })
  t.match(read.settings, { mqttsPort: 8883, tlsCertificate: ['a.pem'], tlsKey: ['a.key'] })
})

t.test('what cannot hold together is named, each once', async (t) => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ mqttsPort: '8883' }, /^mqttsPort and httpsPort need tlsCertificate$/],
    [{ tlsCertificate: 'a', tlsKey: 'b' }, /^tlsCertificate needs mqttsPort or httpsPort$/],
    [{ ...tls, tlsKey: 'a.key,b.key' }, /^tlsKey must name one file for each .* \(1\), not 2$/],
    [{ ...tls, mqttsPort: '1883' }, /^mqttPort and mqttsPort must differ, both are 1883$/],
    [{ ...tls, httpsPort: '8883' }, /^mqttsPort and httpsPort must differ, both are 8883$/],
    [{ ...tls, mqttsPort: '70000' }, /^--mqtts-port must be an integer from 0 to 65535/],
    [{ ...tls, tlsMinVersion: 'TLSv1.1' }, /^--tls-min-version must be one of TLSv1\.2, TLSv1\.3/],
    [{ ...tls, tlsClientAuth: 'required' }, /^tlsClientAuth required needs tlsClientCa$/],
    [{ ...tls, tlsClientCa: 'ca' }, /^tlsClientCa needs tlsClientAuth optional or required$/],
    [{ ...tls, tlsClientCrl: 'crl' }, /^tlsClientCrl needs tlsClientCa$/],
    [{ tlsClientAuth: 'optional', tlsClientCa: 'ca' }, /^tlsClientAuth needs mqttsPort or/],
    [{ proxyProtocolFrom: '10.0.0.0/33' }, /^proxyProtocolFrom must be a list of addresses/],
    [{ proxyProtocolFrom: 'haproxy' }, /^proxyProtocolFrom must be a list of addresses/],
  ]
  for (const [flags, problem] of cases) {
    t.match(problemsOf(flags), [problem], JSON.stringify(flags))
    t.equal(problemsOf(flags).length, 1)
  }
  const fine: readonly Readonly<Record<string, string>>[] = [
    { ...tls, httpsPort: '8443', tlsClientAuth: 'optional', tlsClientCa: 'ca', tlsClientCrl: 'c' },
    { ...tls, mqttsPort: '0', httpsPort: '0' },
    { ...tls, mqttsPort: '8080', roles: 'api', httpPort: '1' },
    { proxyProtocolFrom: '10.0.0.0/8,2001:db8::/32,127.0.0.2' },
  ]
  for (const flags of fine) t.same(problemsOf(flags), [], JSON.stringify(flags))
})

t.test('anonymous is not let out through the doors of TLS either', async (t) => {
  const trusted = { ...tls, openTopics: '#', anonymous: 'true' }
  t.same(problemsOf(trusted), [])
  t.match(problemsOf({ ...trusted, tlsHost: '0.0.0.0' }), [/^anonymous on 0\.0\.0\.0 would let/])
})
