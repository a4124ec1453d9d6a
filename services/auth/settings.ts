// What users choose for themselves.

import { Refusal } from '../../protocol/errors.ts'
import type { UserSettings, UserStore } from './ports.ts'

export interface UserSettingsService {
  /** Throws `Refusal('unknown-user')`. */
  get(user: string): Promise<UserSettings>
  /** Changes what is given, and resolves with all. Throws `Refusal('unknown-user')`. */
  update(user: string, changes: Partial<UserSettings>): Promise<UserSettings>
}

interface UserSettingsParts {
  readonly users: Pick<UserStore, 'settings' | 'saveSettings'>
  /** Told, once it is stored, whether a user hides what was read. */
  readonly hides: (user: string, hidesReads: boolean) => void
}

export function makeUserSettings({ users, hides }: UserSettingsParts): UserSettingsService {
  const get = async (user: string): Promise<UserSettings> => {
    const settings = await users.settings(user)
    if (settings === undefined) throw new Refusal('unknown-user')
    return settings
  }
  return {
    get,
    async update(user, changes) {
      const settings = { ...(await get(user)), ...changes }
      await users.saveSettings(user, settings)
      hides(user, settings.readReceipts === 'nobody')
      return settings
    },
  }
}
