// A short run of the fuzzer: whatever bytes come, the server lives, its memory stays bounded, its
// connections end or stay useful, and their neighbours are served within a second. The long run is
// `npm run fuzz`.

import t from 'tap'
import { runCampaign } from './campaign.ts'

const seed = Number(process.env.PARLEY_TEST_SEED ?? Date.now() % 1e9)

for (const mode of ['tokens', 'trusted'] as const) {
  t.test(`random and damaged sessions harm nobody (${mode})`, async (t) => {
    const findings = await runCampaign(t, {
      mode,
      seed,
      packets: 30_000,
      secondsMax: 20,
      progress: (line) => t.comment(line),
    })
    t.ok(findings.packets > 1000, `seed ${seed}: ${findings.packets} packets`)
    t.ok(findings.accepted * 10 > findings.connections, 'enough of the clients got in')
    t.ok(findings.neighbours.heard > 20, `neighbours heard ${findings.neighbours.heard} messages`)
  })
}
