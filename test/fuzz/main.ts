// `npm run fuzz`: the long run of the fuzzer. See --help.

import { parseArgs } from 'node:util'
import fc from 'fast-check'
import type { Mode } from './campaign.ts'
import { inMiB, runCampaign } from './campaign.ts'
import { anyStream, readStream } from './codec.ts'

const help = `npm run fuzz -- [flags]
  --packets n    packets in all for each mode (1000000)
  --mode m       codec, tokens, trusted (all)
  --seed n       seed of the first round; the others follow (chosen by the time)`

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '1000000' },
    mode: { type: 'string' },
    seed: { type: 'string', default: process.env.PARLEY_TEST_SEED ?? String(Date.now() % 1e9) },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(help)
else await fuzz().catch(failed)

async function fuzz(): Promise<void> {
  const modes: readonly Mode[] = ['tokens', 'trusted']
  console.log(`seed ${values.seed}`)
  if (values.mode === undefined || values.mode === 'codec') fuzzCodec()
  for (const mode of modes.filter((it) => values.mode === undefined || it === values.mode)) {
    const endings: (() => Promise<void> | void)[] = []
    const owner = { teardown: (work: () => Promise<void> | void) => void endings.push(work) }
    try {
      const findings = await runCampaign(owner, {
        mode,
        seed: Number(values.seed),
        packets: Number(values.packets),
        secondsMax: Number.POSITIVE_INFINITY,
        progress: (line) => console.log(line),
      })
      const { neighbours, heapBytes, rssBytes, ...counts } = findings
      console.log(mode, {
        ...counts,
        ...neighbours,
        heapMiB: inMiB(heapBytes),
        rssMiB: inMiB(rssBytes),
      })
    } finally {
      for (const end of endings.reverse()) await end()
    }
  }
}

/** Throws, with the smallest stream that shows it, what the edge does wrong. */
function fuzzCodec(): void {
  let taken = 0
  let refused = 0
  let seed = Number(values.seed)
  for (; taken + refused < Number(values.packets); seed++) {
    const property = fc.property(anyStream, (stream) => {
      const verdict = readStream(stream)
      taken += verdict.taken
      refused += verdict.refused
    })
    fc.assert(property, { seed, numRuns: 1000 })
  }
  console.log('codec', { taken, refused })
}

function failed(error: Error): void {
  console.error(`fuzz: ${error.message}`)
  process.exitCode = 1
}
