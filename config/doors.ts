// Settings of the doors that cannot hold together: ports and TLS.

import type { Settings } from './schema.ts'

/** The addresses this server listens on. */
export function hostsOf({ host, tlsHost, mqttsPort, httpsPort }: Settings): readonly string[] {
  const isSecure = mqttsPort !== undefined || httpsPort !== undefined
  return isSecure && tlsHost !== undefined ? [host, tlsHost] : [host]
}

/** Ports that are taken twice. A setting that was refused is undefined. */
export function portProblems({
  roles,
  mqttPort,
  httpPort,
  mqttsPort,
  httpsPort,
}: Settings): string[] {
  const isBroker = roles?.includes('broker')
  const ports = Object.entries(
    isBroker ? { mqttPort, httpPort, mqttsPort, httpsPort } : { httpPort, httpsPort },
  )
  return ports.flatMap(([name, port = 0], index) => {
    const [other] = ports.slice(0, index).find(([, earlier]) => port > 0 && earlier === port) ?? []
    return other === undefined ? [] : [`${other} and ${name} must differ, both are ${port}`]
  })
}

/** What TLS lacks, or has in vain, in settings that are each right. */
export function tlsProblems(settings: Settings): string[] {
  const { tlsCertificate, tlsKey, tlsClientAuth, tlsClientCa, tlsClientCrl } = settings
  const isSecure = settings.mqttsPort !== undefined || settings.httpsPort !== undefined
  const rules: readonly (readonly [isBroken: boolean, problem: string])[] = [
    [isSecure && tlsCertificate.length === 0, 'mqttsPort and httpsPort need tlsCertificate'],
    [!isSecure && tlsCertificate.length > 0, 'tlsCertificate needs mqttsPort or httpsPort'],
    [
      tlsCertificate.length !== tlsKey.length,
      `tlsKey must name one file for each of tlsCertificate (${tlsCertificate.length}), not ` +
        `${tlsKey.length}`,
    ],
    [!isSecure && tlsClientAuth !== 'none', 'tlsClientAuth needs mqttsPort or httpsPort'],
    [
      tlsClientAuth !== 'none' && tlsClientCa === undefined,
      `tlsClientAuth ${tlsClientAuth} needs tlsClientCa`,
    ],
    [
      tlsClientAuth === 'none' && tlsClientCa !== undefined,
      'tlsClientCa needs tlsClientAuth optional or required',
    ],
    [tlsClientCa === undefined && tlsClientCrl !== undefined, 'tlsClientCrl needs tlsClientCa'],
  ]
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []))
}
