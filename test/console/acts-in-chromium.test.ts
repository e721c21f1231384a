import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/index.js'
import { joinHost } from '../../client/join/join.js'
import { loadService } from '../../service/index.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { parseGroup } from '../../shared/pattern.js'
import { axeFindings } from '../support/accessible.js'
import { hasChromium } from '../support/chromium.js'
import { ConsolePage } from '../support/console-page.js'
import { type ConsoleRealm, startConsoleRealm } from '../support/console-realm.js'
import { local, pattern } from '../support/realm.js'
import { TcpProxy } from '../support/tcp-proxy.js'

const PASSWORD = 'correct horse battery'
/** For a test of many steps on a busy machine, milliseconds. */
const LONG = 90_000
const HOSTILE = `<img src=x onerror=alert(1)>\u202etxt.exe${'x'.repeat(150)}`

describe.skipIf(!hasChromium)('what can be done in the console', () => {
  let realm: ConsoleRealm
  const keytabs = new Map<string, string>()
  beforeAll(async () => {
    realm = await startConsoleRealm()
    await realm.person('ann', PASSWORD)
    await realm.makeAdministrator('ann')
    for (const name of ['orders', 'web', 'web/1', 'gone', 'stolen', 'old', 'lent']) {
      const { kvno, key } = await realm.administration.add({
        principal: local(name),
        password: null,
        ...NO_LIMITS,
      })
      if (key !== null) keytabs.set(name, formatKeytab([{ principal: local(name), kvno, key }]))
    }
    await allow('web', 'orders')
    await allow('gone', 'orders')
  })
  afterAll(() => realm?.close())

  const allow = (client: string, service: string, claims: [string, string][] = []) =>
    realm.administration.setRule({
      ...NO_TERMS,
      client: pattern(client),
      service: pattern(service),
      effect: 'allow',
      claims,
    })

  async function opened(name = 'ann', options: { width?: number } = {}): Promise<ConsolePage> {
    const opened = await ConsolePage.open(realm.url, options)
    await opened.logIn(name, PASSWORD)
    return opened
  }

  async function show(opened: ConsolePage, name: string): Promise<Page> {
    await opened.goTo(`principals/${encodeURIComponent(local(name))}`)
    const { page } = opened
    await page
      .getByRole('article', { name: local(name) })
      .getByRole('heading', { name: 'Keys' })
      .waitFor()
    return page
  }

  /** Opens the dialog of an act, and does it. @returns what the dialog said */
  async function act(page: Page, button: string, label: string, typed?: string): Promise<string> {
    await page.getByRole('button', { name: button }).click()
    const dialog = page.getByRole('dialog')
    const told = await dialog.innerText()
    if (typed !== undefined) await dialog.getByRole('textbox').fill(typed)
    await dialog.getByRole('button', { name: label, exact: true }).click()
    return told
  }

  const shown = (name: string) => realm.administration.show(local(name))
  const done = (page: Page, text: string | RegExp) =>
    page.locator('.notice-good', { hasText: text }).waitFor()

  it(
    'finds principals, shows all of one, and does every act about it after it said what that costs',
    async () => {
      const ann = await opened()
      await listed(ann)
      await disabledAndRemoved(ann)
      await keysReplaced(ann)
      await ticketsAndGroups(ann)
      await added(ann)
    },
    LONG,
  )

  async function listed(ann: ConsolePage): Promise<void> {
    await realm.administration.groups.add({ group: parseGroup('backend'), principals: [local('orders')] })
    await allow('lent', 'kdc', [['owner', 'orders']])
    await ann.goTo('principals')
    const { page } = ann
    const list = page.getByRole('grid', { name: 'Principals' })
    await list.getByText('web/1', { exact: true }).waitFor()
    await page.getByLabel('Find').fill('ord')
    await expect.poll(() => list.getByRole('row').count()).toBe(1)
    await list.getByText(/^key \d+ (s|min) old$/).waitFor()
    // By the keyboard alone.
    await list.getByRole('row').focus()
    await page.keyboard.press('Enter')
    const article = page.getByRole('article', { name: local('orders') })
    for (const text of ['Keys', '@backend', 'lent', 'Who may reach it', 'web', 'Last uses'])
      await article.getByText(text, { exact: true }).first().waitFor()
    expect(await axeFindings(page)).toEqual([])
  }

  async function disabledAndRemoved(ann: ConsolePage): Promise<void> {
    const way = await TcpProxy.start(Number(new URL(realm.kdc.url).port))
    const service = await loadService({
      keytab: { text: keytabs.get('orders') ?? '' },
      kdc: `ws://127.0.0.1:${way.port}`,
      logger: silentLogger,
      allowReplayAcrossProcesses: true,
    })
    try {
      await expect
        .poll(async () => (await realm.administration.revocations.followers({ seq: 0, wait: 0 })).applied)
        .toBe(1)
      const page = await show(ann, 'gone')
      const told = await act(page, 'Disable…', 'Disable it')
      expect(told).toContain(
        '1 process of a service that follows this KDC will refuse its tickets within milliseconds',
      )
      expect(told).toContain('The 1 rule that name it stay.')
      await done(page, 'refused by orders')
      expect((await shown('gone')).disabled).toBe(true)
      await act(page, 'Enable…', 'Enable it')
      await done(page, 'enabled gone')
      expect((await shown('gone')).disabled).toBe(false)
      await page.getByRole('button', { name: 'Remove…' }).click()
      const dialog = page.getByRole('dialog')
      expect(await dialog.getByRole('button', { name: 'Remove it' }).isDisabled()).toBe(true)
      await dialog.getByRole('textbox').fill('gone')
      await dialog.getByRole('button', { name: 'Remove it' }).click()
      await done(page, 'removed gone')
      await expect(shown('gone')).rejects.toMatchObject({ code: 'unknown_service' })
      way.mode = 'lose'
      await readMeanwhile(ann)
    } finally {
      service.close()
    }
  }

  /** While it waits for a service that does not answer, the page reads what it shows. */
  async function readMeanwhile(ann: ConsolePage): Promise<void> {
    const page = await show(ann, 'old')
    await act(page, 'Disable…', 'Disable it')
    const isWaiting = await page.waitForFunction(() => {
      const text = document.querySelector('article')?.innerText ?? ''
      return /^disabled$/m.test(text) && [text.includes('Waiting for the services that follow')]
    })
    expect(await isWaiting.jsonValue()).toEqual([true])
    await act(page, 'Enable…', 'Enable it')
    await done(page, 'enabled old')
  }

  /** A keytab is offered once, and works. */
  async function keysReplaced(ann: ConsolePage): Promise<void> {
    const page = await show(ann, 'stolen')
    await act(page, 'Rotate its key…', 'Ask for a new key')
    await done(page, 'asked stolen')
    await page.getByText('It was asked for a new one').waitFor()
    await page.getByRole('button', { name: 'Replace its key…' }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('dialog').getByRole('button', { name: 'Replace the key' }).click()
    const offer = page.getByRole('dialog', { name: 'The new keytab of stolen' })
    await offer.getByRole('link', { name: 'Save stolen.keytab' }).click()
    const text = await readFile(await (await download).path(), 'utf8')
    const login = await connect({ kdc: realm.kdc.url, keytab: { text } })
    await login.getServiceTicket(local('kdc'))
    login.close()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    // It is shown again once the browser has closed it.
    await offer.waitFor()
    await offer.getByRole('button', { name: 'I have it: forget it here' }).click()
    await offer.waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain('orthruskey1_')
    await act(page, 'Revoke its key…', 'Revoke the key')
    await done(page, 'stolen has no key now')
    expect((await shown('stolen')).kvnos).toEqual([])
    await page.getByText('It has no key: invite it, or replace its key.').waitFor()
  }

  async function ticketsAndGroups(ann: ConsolePage): Promise<void> {
    const login = await connect({ kdc: realm.kdc.url, keytab: { text: keytabs.get('web') ?? '' } })
    await login.getServiceTicket(local('orders'))
    const page = await show(ann, 'web')
    await page.getByRole('button', { name: 'Revoke one ticket…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Revoke this ticket' }).click()
    await done(page, /revoked ticket [0-9a-f]{32}/)
    await act(page, 'Revoke its tickets…', 'Revoke its tickets')
    await done(page, 'revoked client web')
    login.close()
    await act(page, 'Put into a group…', 'Put it in', 'edge')
    await done(page, 'web added to @edge')
    expect((await shown('web')).groups).toEqual(['@edge'])
    await act(page, 'Take out of @edge', 'Take it out')
    await done(page, 'web removed from @edge')
    expect((await shown('web')).groups).toEqual([])
  }

  /** A program with a keytab, and a person, whose password never leaves the page. */
  async function added(ann: ConsolePage): Promise<void> {
    await ann.goTo('principals')
    const { page } = ann
    const sent: string[] = []
    page.on('websocket', socket =>
      socket.on('framesent', ({ payload }) => sent.push(payload.toString('latin1'))),
    )
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('fresh')
    const download = page.waitForEvent('download')
    await page.getByRole('dialog').getByRole('button', { name: 'Add it' }).click()
    await page.getByRole('link', { name: 'Save fresh.keytab' }).click()
    expect(await readFile(await (await download).path(), 'utf8')).toContain(local('fresh'))
    await page.getByRole('button', { name: 'I have it: forget it here' }).click()
    await page.getByRole('article', { name: local('fresh') }).waitFor()
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('bea')
    await dialog.getByLabel('Kind').selectOption('person')
    await dialog.getByLabel('New password').fill('too short')
    await dialog.getByRole('button', { name: 'Add the person' }).click()
    await dialog.getByText('A password has 12 characters at least').waitFor()
    for (const label of ['New password', 'The same again']) await dialog.getByLabel(label).fill(PASSWORD)
    await dialog.getByRole('button', { name: 'Add the person' }).click()
    await page.getByRole('article', { name: local('bea') }).waitFor()
    expect((await shown('bea')).passwordBased).toBe(true)
    expect(sent.some(frame => frame.includes(PASSWORD))).toBe(false)
    await page.getByRole('button', { name: 'Reset the password…' }).click()
    for (const label of ['New password', 'The same again'])
      await page.getByRole('dialog').getByLabel(label).fill(`${PASSWORD} 2`)
    await page.getByRole('dialog').getByRole('button', { name: 'Set the password' }).click()
    await done(page, 'whose sessions have ended')
    const login = await connect({ kdc: realm.kdc.url, principal: local('bea'), password: `${PASSWORD} 2` })
    login.close()
  }

  it(
    'edits policy in its graph and its list, says why, applies a file, and invites, while another administrator does the same',
    async () => {
      const ann = await opened()
      await rulesEdited(ann)
      await fileApplied(ann)
      await whyAsked(ann)
      await invited(ann)
    },
    LONG,
  )

  const ruleOf = (client: string, service: string) =>
    realm.administration.rule(pattern(client), pattern(service))

  async function rulesEdited(ann: ConsolePage): Promise<void> {
    await ann.goTo('policy')
    const { page } = ann
    const dialog = page.getByRole('dialog')
    await page.getByRole('button', { name: 'Add a rule' }).click()
    await dialog.getByLabel('Client', { exact: true }).fill('web/*')
    await dialog.getByLabel('Service', { exact: true }).fill('stock')
    await dialog.getByLabel('Claims').fill(`role=reader\nnote="${HOSTILE}"`)
    await dialog.getByText('there is no principal stock@demo.example yet').waitFor()
    await dialog.getByText('It is about 1 client and 0 services of now.').waitFor()
    await dialog.getByLabel('Methods').fill('get')
    await dialog.getByRole('button', { name: 'Add it' }).click()
    await dialog.getByText('not a list of methods').waitFor()
    await dialog.getByLabel('Methods').fill('GET')
    await dialog.getByRole('button', { name: 'Add it' }).click()
    await done(page, 'allow web/* -> stock')
    expect(await ruleOf('web/*', 'stock')).toMatchObject({
      methods: ['GET'],
      claims: [
        ['note', HOSTILE],
        ['role', 'reader'],
      ],
    })
    // By the keyboard, from the node of the graph to the list of its rules to the form.
    await page.getByRole('button', { name: /^client web\/\*/ }).press('Enter')
    const row = page.getByRole('grid').getByRole('row')
    await expect.poll(() => row.count()).toBe(1)
    await row.focus()
    await page.keyboard.press('Enter')
    await dialog.getByLabel('Methods').waitFor()
    expect(await axeFindings(page)).toEqual([])
    // Somebody else changes it meanwhile: nothing of theirs is lost.
    await allow('web/*', 'stock', [['role', 'writer']])
    await dialog.getByLabel('Longest ticket').fill('10m')
    await dialog.getByRole('button', { name: 'Change it' }).click()
    await dialog.getByText('Somebody else has changed this rule meanwhile.').waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await row.getByText('role=writer').waitFor()
    await row.getByRole('button').click()
    await dialog.getByLabel('Effect').selectOption('deny')
    await dialog.getByRole('button', { name: 'Change it' }).click()
    await done(page, 'deny web/* -> stock')
    // The list follows the audit log: until it has, its row opens the rule as it was.
    await row.getByText('denied').waitFor()
    await row.getByRole('button').click()
    await dialog.getByRole('button', { name: 'Forget this rule…' }).click()
    await dialog.getByText('What this rule denied is denied no more.').waitFor()
    await dialog.getByRole('button', { name: 'Forget it' }).click()
    await done(page, 'forgotten: deny web/* -> stock')
    expect(await ruleOf('web/*', 'stock')).toBeNull()
  }

  async function fileApplied(ann: ConsolePage): Promise<void> {
    await ann.goTo('policy/file')
    const { page } = ann
    const text = page.getByLabel('or write it here')
    await text.fill('# orthrus policy 1\nrealm demo.example\nallow web\n')
    await page.getByText('line 3: write a client and a service').waitFor()
    await page.getByRole('button', { name: 'Start from the policy of now' }).click()
    await page.getByText('Nothing.').waitFor()
    const now = await text.inputValue()
    await text.fill(`${now}expect web can call billing\n`)
    await page.getByText('nothing was changed').waitFor()
    expect(await page.getByRole('button', { name: /^Apply/ }).isDisabled()).toBe(true)
    await text.fill(
      `${now}allow web billing --claim role=reader\nexpect web can call billing with role=reader\n`,
    )
    await page
      .getByRole('list', { name: 'Difference' })
      .getByText('+ allow web billing --claim role=reader')
      .waitFor()
    expect(await axeFindings(page)).toEqual([])
    await page.getByRole('button', { name: /^Apply/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Apply 1 change' }).click()
    await page.getByText('1 change made').waitFor()
    expect(await ruleOf('web', 'billing')).toMatchObject({ claims: [['role', 'reader']] })
  }

  async function whyAsked(ann: ConsolePage): Promise<void> {
    await ann.goTo('policy/why/web/nowhere')
    const { page } = ann
    const why = page.getByRole('region', { name: 'Why' })
    await why.getByText('web gets no ticket for nowhere: policy_denied, no rule allows it').waitFor()
    await why.getByText('orthrus admin allow web nowhere').waitFor()
    await why.getByLabel('Service', { exact: true }).fill('orders')
    await why.getByText('A request, who presents it').click()
    await why.getByLabel('Method').fill('GET')
    await why.getByRole('button', { name: 'Ask' }).click()
    await why.getByText('web gets a ticket for orders, and its caveats let GET pass').waitFor()
    await why.getByLabel('Presented by').fill('web/1')
    await why.getByRole('button', { name: 'Ask' }).click()
    await why.getByText(/^web\/1 cannot ask orders in the name of web: /).waitFor()
    await why.getByRole('heading', { name: 'web gets a ticket for orders' }).waitFor()
    const login = await connect({ kdc: realm.kdc.url, keytab: { text: keytabs.get('lent') ?? '' } })
    const refused = await login.getServiceTicket(local('orders')).catch(cause => cause)
    login.close()
    await ann.goTo(`policy/why/id/${refused.facts.refusal}`)
    await why.getByText('a ticket of lent for orders was refused at').waitFor()
    await why.getByText('Now: lent gets no ticket for orders').waitFor()
    await ann.goTo('policy/why/id/000000000000')
    await why.getByText('This KDC tells you of no refusal 000000000000.').waitFor()
    expect(await axeFindings(page)).toEqual([])
  }

  /** As a new host does. */
  async function joinWith(code: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'orthrus-join-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const pathOf = () => join(folder, 'host.keytab')
    const joined = await joinHost({ code, kdc: realm.kdc.url, pathOf, open: login => connect(login) })
    expect(joined.realm.client).toMatch(/^worker\//)
    joined.realm.close()
  }

  async function invited(ann: ConsolePage): Promise<void> {
    await ann.goTo('invitations')
    const { page } = ann
    const dialog = page.getByRole('dialog')
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: 'Invite a host' }).click()
    await dialog.getByLabel('Name').fill('worker/*')
    await dialog.getByLabel('Hosts').fill('3')
    await dialog.getByRole('button', { name: 'Make the code' }).click()
    await dialog.getByText('is for 3 hosts as').waitFor()
    await dialog.getByRole('button', { name: 'Copy the code' }).click()
    await dialog.getByRole('button', { name: 'Copied' }).waitFor()
    const code = await page.evaluate(() => navigator.clipboard.readText())
    expect(await dialog.getByLabel('What the new host types').inputValue()).toBe(`orthrus join ${code}`)
    await joinWith(code)
    await dialog.getByRole('button', { name: 'I have it: forget it here' }).click()
    const open = page.getByRole('region', { name: 'Open' })
    await open.getByText('1 of 3').waitFor()
    expect(await page.content()).not.toContain('orthrusjoin1_')
    expect(await axeFindings(page)).toEqual([])
    await open.getByRole('button', { name: /^Withdraw/ }).click()
    await dialog.getByText('1 host that joined with it stays').waitFor()
    await dialog.getByRole('button', { name: 'Withdraw it' }).click()
    await page.getByRole('region', { name: 'Used and ended' }).getByText('withdrawn').waitFor()
    // What another administrator does arrives by itself.
    const target = pattern('later')
    await realm.administration.invitations.make({
      target,
      uses: 1,
      endsAt: Date.now() + 60_000,
      principalsLife: null,
    })
    await open.getByText('later', { exact: true }).waitFor()
  }

  it('shows an owner what it owns, and neither more nor an act that it may not do', async () => {
    await realm.person('olga', PASSWORD)
    await allow('olga', 'kdc', [['owner', 'old']])
    const olga = await opened('olga')
    const { page } = olga
    await page.getByText('These are the ones that you own by name.').waitFor()
    expect(await page.getByRole('navigation', { name: 'Views' }).getByRole('link').allInnerTexts()).toEqual([
      'Principals',
      'Policy',
      'Invitations',
      'Audit',
    ])
    await expect.poll(() => page.getByRole('grid').getByRole('row').count()).toBe(1)
    await show(olga, 'old')
    expect(await page.getByRole('button', { name: 'Disable…' }).count()).toBe(0)
    await act(page, 'Rotate its key…', 'Ask for a new key')
    await done(page, 'asked old')
    await olga.goTo(`principals/${encodeURIComponent(local('orders'))}`)
    await page.locator('.notice-bad').first().waitFor()
    await olga.goTo('policy')
    await page.getByText('You see the rules about the services that you own.').waitFor()
    await page.getByRole('button', { name: 'Add a rule' }).click()
    await page.getByRole('dialog').getByLabel('Client', { exact: true }).fill('web')
    await page.getByRole('dialog').getByLabel('Service', { exact: true }).fill('old')
    await page.getByRole('dialog').getByRole('button', { name: 'Add it' }).click()
    await done(page, 'allow web -> old')
  })

  it('is as usable in a narrow window, in light', async () => {
    const ann = await ConsolePage.open(realm.url, { width: 375, colorScheme: 'light' })
    await ann.logIn('ann', PASSWORD)
    const page = await show(ann, 'orders')
    const fits = async (): Promise<void> => {
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(375)
      expect(await axeFindings(page)).toEqual([])
    }
    await fits()
    await page.getByRole('button', { name: 'Disable…' }).click()
    await page.getByRole('dialog').waitFor()
    await fits()
    await page.keyboard.press('Escape')
    for (const place of ['policy', 'policy/file', 'invitations']) {
      await ann.goTo(place)
      await page.getByText('Reading…').waitFor({ state: 'detached' })
      await fits()
    }
  })
})
