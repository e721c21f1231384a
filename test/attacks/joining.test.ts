import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect, type Realm } from '../../client/connect.js'
import { TYPE } from '../../shared/constants.js'
import { createError } from '../../shared/encoding/error.js'
import type { OrthrusError } from '../../shared/errors.js'
import { decodeAsRequest } from '../../shared/exchange/as.js'
import { formatJoinCode } from '../../shared/keytab/join-code.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import type { Pattern } from '../../shared/pattern.js'
import { isInvitation, localPart } from '../../shared/principal.js'
import { MINUTE } from '../../shared/time.js'
import { startOwnKdc } from '../support/own-kdc.js'
import { type FrameInterceptor, WebSocketProxy } from '../support/websocket-proxy.js'
import { failureOf } from '../support/world.js'

const refusalOf = async (promise: Promise<unknown>) => (await failureOf(promise)) as OrthrusError

/** An attacker between a new host and the KDC, who refuses keys in its name (docs/protocol.md section 12). */

async function startJoining(target: string, uses = 1) {
  const { kdc, clock, administration, record } = await startOwnKdc()
  const wire = await WebSocketProxy.start(kdc.url)
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-joining-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const keytab = join(folder, 'host.keytab')
  const made = await administration.invitations.make({
    target: `${target}@test.example` as Pattern,
    uses,
    endsAt: clock.now() + 10 * MINUTE,
    principalsLife: null,
  })
  const code = formatJoinCode({ ...made, kdc: [wire.url] })
  const start = (): Promise<Realm> =>
    connect({ join: code, keytab, clock, timers: clock, logger: silentLogger })
  const requireWorking = async (): Promise<void> => {
    const realm = await start()
    await realm.getServiceTicket('kdc')
    realm.close()
    const [entry, ...others] = parseKeytab(await readFile(keytab, 'utf8'))
    expect(others).toHaveLength(0)
    const name = localPart(entry?.principal ?? made.invitation.principal)
    expect((await record(name)).keys).toMatchObject([{ state: 'current', kvno: entry?.kvno }])
  }
  /** The first answers to a login are replaced. @param login of which of the two */
  const refuse = (login: 'host' | 'code', times: number, meanwhile: 'answered' | 'held back') => {
    const held: Parameters<FrameInterceptor>[0][] = []
    const refused = new Set<Parameters<FrameInterceptor>[0]['id']>()
    let left = times
    const isMeant = (message: Uint8Array): boolean =>
      message[1] === TYPE.AS_REQ &&
      isInvitation(decodeAsRequest(message).client) === (login === 'code') &&
      left-- > 0
    const lie = () => createError({ code: 'auth_failed', time: clock.now(), floor: null, message: '' })
    wire.upward = (frame, { toClient }) => {
      if (!isMeant(frame.message)) return [frame]
      if (meanwhile === 'answered') {
        refused.add(frame.id)
        return [frame]
      }
      held.push(frame)
      toClient({ id: frame.id, message: lie() })
      return []
    }
    wire.downward = frame => (refused.delete(frame.id) ? [{ id: frame.id, message: lie() }] : [frame])
    return held
  }
  return { start, refuse, keytab, requireWorking, wire, made, administration }
}

const TARGETS = [
  ['one host', 'host', 1],
  ['a fleet', 'host/*', 2],
] as const

describe.each(TARGETS)(
  'the refusal of the key of a host that joins with a code for %s',
  (_, target, uses) => {
    it.each(['answered', 'held back'] as const)(
      'is not believed at once, where the login was %s',
      async meanwhile => {
        const { start, refuse, requireWorking } = await startJoining(target, uses)
        refuse('host', 1, meanwhile)
        const realm = await start()
        expect(realm.client).toMatch(/^host/)
        realm.close()
        await requireWorking()
      },
    )

    it.each(['answered', 'held back'] as const)(
      'removes and condemns nothing, however often it is forged, where the login was %s',
      async meanwhile => {
        const { start, refuse, keytab, requireWorking, wire } = await startJoining(target, uses)
        const held = refuse('host', Number.POSITIVE_INFINITY, meanwhile)
        const failure = await refusalOf(start())
        expect(failure).toMatchObject({ code: expect.stringMatching(/^(auth_failed|revoked)$/) })
        expect(failure.message).toContain(`the key is kept in ${keytab}, and may be good`)
        expect(failure.message).toContain(`orthrus keytab show ${keytab} --kdc ${wire.url}`)
        const kept = await readFile(keytab, 'utf8')
        // The attacker lets the logins through after the client has judged.
        wire.upward = frame => [...held.splice(0), frame]
        wire.downward = frame => [frame]
        await requireWorking()
        expect(await readFile(keytab, 'utf8')).toBe(kept)
      },
    )

    it('is not believed at once at a later start either, which then says what can be done', async () => {
      const { start, refuse, keytab, requireWorking } = await startJoining(target, uses)
      await requireWorking()
      refuse('host', 1, 'answered')
      ;(await start()).close()
      refuse('host', Number.POSITIVE_INFINITY, 'answered')
      const failure = await refusalOf(start())
      expect(failure).toMatchObject({ code: 'auth_failed', final: false, facts: { claimed: 'auth_failed' } })
      expect(failure.message).toMatch(/nothing proves that it was the KDC.*move the file away/)
      refuse('host', 0, 'answered')
      expect(await readFile(keytab, 'utf8')).not.toBe('')
      await requireWorking()
    })
  },
)

describe('an answer to a host that joins', () => {
  it.each([
    ['cut off', 'unavailable'],
    ['replaced by another error', 'rate_limited'],
  ] as const)('that is %s leaves the key where it is, and says so', async (how, code) => {
    const { start, keytab, requireWorking, wire } = await startJoining('host')
    wire.upward = (frame, { toClient }) => {
      const { message, id } = frame
      if (message[1] !== TYPE.AS_REQ || isInvitation(decodeAsRequest(message).client)) return [frame]
      if (how === 'cut off') wire.breakUp()
      else toClient({ id, message: createError({ code: 'rate_limited', time: 0, floor: null, message: '' }) })
      return []
    }
    const failure = await refusalOf(start())
    expect(failure).toMatchObject({ code })
    expect(failure.message).toContain(`the key is kept in ${keytab}`)
    wire.upward = frame => [frame]
    await requireWorking()
  })

  it('that says the code is unknown proves nothing, and says so', async () => {
    const { start, refuse, requireWorking } = await startJoining('host')
    refuse('code', 1, 'held back')
    expect((await refusalOf(start())).message).toMatch(/does not know it; nothing proves that it was the KDC/)
    await requireWorking()
  })
})

describe('a code that was used or withdrawn while its host was refused', () => {
  it.each(['used', 'withdrawn'] as const)('and was %s leaves the key where it is', async how => {
    const { start, refuse, keytab, made, administration, wire } = await startJoining('host')
    refuse('host', Number.POSITIVE_INFINITY, how === 'used' ? 'answered' : 'held back')
    const before = wire.upward
    let asked = 0
    wire.upward = (frame, ends) => {
      const sent = before(frame, ends)
      const isLogin = frame.message[1] === TYPE.AS_REQ && sent.length === 0
      // The client has asked twice, and asks the code next: the KDC is told first.
      if (isLogin && ++asked === 2) withdrawn = administration.invitations.withdraw(made.invitation.principal)
      return sent
    }
    let withdrawn: Promise<number> | undefined
    const failure = await refusalOf(start())
    await withdrawn
    expect(failure).toMatchObject({ code: 'revoked', final: true, facts: { invitation: { how } } })
    expect(failure.message).toContain(`the key is kept in ${keytab}, and may be good`)
    expect(parseKeytab(await readFile(keytab, 'utf8'))).toMatchObject([{ principal: 'host@test.example' }])
  })
})
