import { describe, expect, it } from 'vitest'
import { Reader } from '../../../console/parts/loaded.js'
import { accessOf } from '../../../console/realm/access.js'
import { membersOf } from '../../../console/realm/directory.js'
import { ownersOf, rulesAbout } from '../../../console/realm/rules-about.js'
import { counted, someOf } from '../../../console/realm/words.js'
import { OrthrusError } from '../../../shared/errors.js'
import { parseGroup } from '../../../shared/pattern.js'
import { local, pattern, REALM, ruleOf } from '../../support/realm.js'
import { summaryOf } from '../summary.js'

const BACKEND = parseGroup('backend')

describe('what a person may do', () => {
  it('is read from the claims of a ticket for the KDC, and a claim of another form gives nothing', () => {
    expect(accessOf(REALM, [['role', 'admin']])).toEqual({ isAdministrator: true, owns: [] })
    expect(accessOf(REALM, [['owner', ['orders', 'web/*', '@backend', 'No Name']]])).toEqual({
      isAdministrator: false,
      owns: [pattern('orders'), pattern('web/*'), BACKEND],
    })
    expect(
      accessOf(REALM, [
        ['role', true],
        ['owner', 3],
      ]),
    ).toEqual({ isAdministrator: false, owns: [] })
  })
})

describe('the rules in which a principal stands', () => {
  const rules = [
    ruleOf('*', 'orders'),
    ruleOf('web', 'orders', { effect: 'deny' }),
    ruleOf(BACKEND, 'billing'),
    ruleOf('orders', 'stock'),
    ruleOf('ann', 'kdc', { claims: [['owner', 'orders']] }),
    ruleOf('bob', 'kdc', { claims: [['owner', '@backend']] }),
  ]

  it('are those of its name, its groups and everyone, the most specific first', () => {
    const { asClient, asService, byName } = rulesAbout(local('orders'), [BACKEND], rules)
    expect(asClient).toEqual([rules[3], rules[2], rules[0]])
    expect(asService).toEqual([rules[0], rules[1]])
    expect(byName).toBe(3)
  })

  it('say who owns it, by its name and by its group', () => {
    expect(ownersOf(REALM, local('orders'), [BACKEND], rules)).toEqual([pattern('ann'), pattern('bob')])
    expect(ownersOf(REALM, local('web'), [], rules)).toEqual([])
  })

  it('do not mean the KDC where they mean everyone', () => {
    expect(rulesAbout(local('kdc'), [], rules).asClient).toEqual([])
    const all = [summaryOf('kdc'), summaryOf('web/1'), summaryOf('orders', { groups: [BACKEND] })]
    const names = (text: string) => membersOf(text === '@backend' ? BACKEND : pattern(text), all).length
    expect([names('*'), names('web/*'), names('@backend'), names('kdc'), names('none')]).toEqual([
      2, 1, 1, 1, 0,
    ])
  })
})

describe('words of numbers', () => {
  it('are whole', () => {
    expect([counted(0, 'rule'), counted(1, 'rule'), counted(2, 'process', 'processes')]).toEqual([
      '0 rules',
      '1 rule',
      '2 processes',
    ])
    expect([someOf([]), someOf(['a']), someOf(['a', 'b', 'c']), someOf(['a', 'b', 'c'], 2)]).toEqual([
      '',
      'a',
      'a, b and c',
      'a, b and 1 other',
    ])
  })
})

describe('what a view has read', () => {
  it('is read once more, and once only, for all that changed during a reading', async () => {
    const waiting: ((value: number) => void)[] = []
    const reader = new Reader<number>(() => new Promise(resolve => waiting.push(resolve)))
    const whole = reader.ask()
    void reader.ask()
    void reader.ask()
    waiting[0]?.(1)
    await expect.poll(() => waiting.length).toBe(2)
    expect(reader.state.value.value).toBe(1)
    waiting[1]?.(2)
    await whole
    expect(reader.state.value).toEqual({ value: 2, failure: undefined, isReading: false })
    expect(waiting.length).toBe(2)
  })

  it('shows parts of the first reading alone, and keeps what it knew where a reading fails', async () => {
    let isBroken = false
    const seen: unknown[] = []
    const reader = new Reader<string>(async tell => {
      if (isBroken) throw new OrthrusError('unavailable', 'no KDC', { hint: 'wait' })
      tell('part')
      return 'whole'
    })
    reader.state.subscribe(({ value }) => void seen.push(value))
    await reader.ask()
    await reader.ask()
    expect(seen).toEqual([undefined, undefined, 'part', 'whole', 'whole', 'whole'])
    isBroken = true
    await reader.ask()
    expect(reader.state.value).toMatchObject({
      value: 'whole',
      failure: { message: 'No KDC.', hint: 'wait' },
    })
  })

  it('tells nobody who has gone', async () => {
    const reader = new Reader<string>(async () => 'late')
    const asked = reader.ask()
    reader.end()
    await asked
    expect(reader.state.value.value).toBeUndefined()
  })
})
