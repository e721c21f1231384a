import type { Group } from './figures.js'
import { GROUPS } from './groups.js'
import { serve } from './processes.js'
import type { Settings } from './settings.js'

/** The process of one group: none is measured in what another has left behind. */

export interface GroupOrder {
  readonly name: string
  readonly settings: Settings
}

function measure({ name, settings }: GroupOrder): Promise<Group> {
  const measureGroup = GROUPS.get(name)
  if (measureGroup === undefined) throw new TypeError(`there is no group ${name}`)
  return measureGroup(settings)
}

serve({ measure })
