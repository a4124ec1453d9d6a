// Picks what a server stands on. A process loads only what it uses.

import { isClustered } from '../config/cluster.ts'
import type { Settings } from '../config/schema.ts'
import type { Platform, PlatformParts } from './platform.ts'

/** Opens what the settings name: the data folder, or MongoDB and Redis. Rejects as these do. */
export async function openPlatform(settings: Settings, parts: PlatformParts): Promise<Platform> {
  if (isClustered(settings)) return (await import('./cluster.ts')).openCluster(settings, parts)
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(settings, parts)
}
