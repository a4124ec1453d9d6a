// Grafana's dashboard: each panel asks for metrics that are there, by labels that they have.

import t from 'tap'
import { metricCatalogue } from '../../services/metrics/catalogue.ts'
import { adminToken, startTestServer } from '../support/server.ts'
import { readDockerFile } from './support.ts'

interface Dashboard {
  readonly title: string
  readonly panels: readonly {
    readonly title: string
    readonly datasource: { readonly uid: string }
    readonly targets: readonly { readonly expr: string }[]
  }[]
}

/** Labels that Prometheus and histograms add. */
const addedLabels = ['instance', 'job', 'le']

t.test('what the dashboard shows is measured', async (t) => {
  const server = await startTestServer(t)
  const headers = { authorization: `Bearer ${adminToken}` }
  const text = await (await fetch(`${server.httpUrl}/metrics`, { headers })).text()
  const kinds = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, ...it]) => it) as [])
  const isServed = (name: string) => {
    const whole = name.replace(/_(bucket|sum|count)$/, '')
    return kinds.has(name) || kinds.get(whole) === 'histogram'
  }
  const catalogue: Record<string, { readonly labels: readonly string[] }> = metricCatalogue
  const dashboard: Dashboard = JSON.parse(readDockerFile('grafana/dashboards/parley.json'))
  const uid = /^ {4}uid: (\S+)$/m.exec(
    readDockerFile('grafana/provisioning/datasources/prometheus.yaml'),
  )?.[1]
  t.ok(dashboard.panels.length > 0)
  for (const { title, datasource, targets } of dashboard.panels) {
    t.equal(datasource.uid, uid, title)
    t.ok(targets.length > 0, title)
    for (const { expr } of targets) {
      const names = expr.match(/\b(parley|process|nodejs)_\w+/g) ?? []
      t.ok(names.length > 0 && names.every(isServed), `${title}: ${expr}`)
      const labels = names.flatMap((name) => catalogue[name]?.labels ?? [])
      const asked = [...expr.matchAll(/by \(([^)]*)\)|\{(\w+)/g)].map(([, by, is]) => by ?? is)
      for (const label of asked) t.ok([...labels, ...addedLabels].includes(label ?? ''), expr)
    }
  }
})
