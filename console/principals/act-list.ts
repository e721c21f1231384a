import type { ConnectedAdministration } from '../../client/admin.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { isReserved, localPart, type Principal } from '../../shared/principal.js'
import type { Outcome } from '../realm/outcome.js'
import {
  asking,
  disabling,
  enabling,
  removing,
  replacing,
  revokingClient,
  revokingKey,
  type Standing,
} from './consequences.js'

/** What an act did, with the key that it made. */
export interface Done extends Outcome {
  readonly keytab?: KeytabEntry
}

/** An act that needs nothing but a yes. */
export interface Act {
  /** On the page, and in its dialog. */
  readonly button: string
  readonly title: (name: string) => string
  readonly label: string
  readonly danger: boolean
  /** Whether an owner may do it too. */
  readonly ofOwners: boolean
  /** Whether it cannot be taken back, so that the name has to be typed. */
  readonly isFinal: boolean
  readonly fits: (summary: PrincipalSummary) => boolean
  readonly consequence: (standing: Standing) => readonly string[]
  readonly run: (administration: ConnectedAdministration, principal: Principal) => Promise<Done>
}

const isOwn = ({ principal }: PrincipalSummary): boolean => isReserved(principal)
const PLAIN = { danger: false, ofOwners: false, isFinal: false } as const
const DANGER = { ...PLAIN, danger: true } as const

export const ACTS = {
  rotate: {
    ...PLAIN,
    ofOwners: true,
    button: 'Rotate its key…',
    title: name => `Rotate the key of ${name}`,
    label: 'Ask for a new key',
    fits: summary => !summary.passwordBased && summary.kvnos.length > 0,
    consequence: asking,
    run: async ({ keys }, principal) => {
      const kvno = await keys.rotate(principal)
      return {
        text:
          kvno === null
            ? `asked ${principal} for a new key: it changes it within a day, if it was started with automatic rotation; else run on its host: orthrus keytab refresh FILE`
            : `rotated ${principal} to kvno ${kvno}; tickets under the key before stay good to their end`,
      }
    },
  },
  replace: {
    ...DANGER,
    button: 'Replace its key…',
    title: name => `Replace the key of ${name}`,
    label: 'Replace the key',
    fits: summary => !isOwn(summary) && !summary.passwordBased,
    consequence: replacing,
    run: async ({ keys }, principal) => {
      const { kvno, key, seq } = await keys.replace(principal)
      return {
        text: `replaced the key of ${principal}: kvno ${kvno} is its only one, and everything older is dead`,
        revocation: { seq, principals: [principal], renewed: principal },
        keytab: { principal, kvno, key },
      }
    },
  },
  disable: {
    ...DANGER,
    button: 'Disable…',
    title: name => `Disable ${name}`,
    label: 'Disable it',
    fits: summary => !isOwn(summary) && !summary.disabled,
    consequence: disabling,
    run: async (administration, principal) => ({
      text: `disabled ${principal}`,
      revocation: { seq: await administration.disable(principal), principals: [principal] },
    }),
  },
  enable: {
    ...PLAIN,
    button: 'Enable…',
    title: name => `Enable ${name}`,
    label: 'Enable it',
    fits: summary => summary.disabled,
    consequence: enabling,
    run: async (administration, principal) => {
      await administration.enable(principal)
      return { text: `enabled ${principal}` }
    },
  },
  revokeClient: {
    ...DANGER,
    button: 'Revoke its tickets…',
    title: name => `Revoke all tickets of ${name}`,
    label: 'Revoke its tickets',
    fits: summary => !isOwn(summary),
    consequence: revokingClient,
    run: async ({ revocations }, principal) => ({
      text: `revoked client ${localPart(principal)}`,
      revocation: { seq: await revocations.client(principal), principals: [principal] },
    }),
  },
  revokeKey: {
    ...DANGER,
    button: 'Revoke its key…',
    title: name => `Revoke the key of ${name}`,
    label: 'Revoke the key',
    fits: summary => summary.kvnos.length > 0,
    consequence: revokingKey,
    run: async ({ revocations }, principal) => {
      const { seq } = await revocations.key(principal)
      const text = `revoked key ${localPart(principal)}`
      if (isReserved(principal))
        return { text, aside: 'it has a fresh key; nobody else takes tickets under it' }
      return {
        text,
        revocation: { seq, principals: [principal] },
        aside: `${localPart(principal)} has no key now: replace its key, invite it, or reset its password`,
      }
    },
  },
  remove: {
    ...DANGER,
    isFinal: true,
    button: 'Remove…',
    title: name => `Remove ${name}`,
    label: 'Remove it',
    fits: summary => !isOwn(summary),
    consequence: removing,
    run: async (administration, principal) => ({
      text: `removed ${principal}`,
      revocation: { seq: await administration.remove(principal), principals: [principal] },
    }),
  },
} as const satisfies Record<string, Act>

export type ActName = keyof typeof ACTS
