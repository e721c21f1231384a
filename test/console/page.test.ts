import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VIEW_NAMES } from '../../console/app/route.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { patternIn } from '../../shared/pattern.js'
import { parsePrincipal, parseRealm } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { ConsolePage } from '../support/console-page.js'
import { type ConsoleRealm, startConsoleRealm } from '../support/console-realm.js'
import { TcpProxy } from '../support/tcp-proxy.js'

const REALM = parseRealm('demo.example')
const PASSWORD = 'correct horse battery'

describe.skipIf(!hasChromium)('the page of the console', () => {
  let realm: ConsoleRealm
  beforeAll(async () => {
    realm = await startConsoleRealm()
    for (const name of ['ann', 'bob']) await realm.person(name, PASSWORD)
    await realm.makeAdministrator('ann')
  })
  afterAll(() => realm.close())

  const add = (name: string): Promise<unknown> =>
    realm.administration.add({
      principal: parsePrincipal(`${name}@demo.example`),
      password: null,
      ...NO_LIMITS,
    })

  it('logs an administrator in, and keeps nothing of it when that one logs out', async () => {
    const console = await ConsolePage.open(realm.url)
    const { page } = console
    await expect.poll(() => page.title()).toBe('Log in · demo.example')
    await console.logIn('ann', PASSWORD)
    await expect.poll(() => page.title()).toBe('Map · demo.example')
    const stored = await page.evaluate(async () => ({
      local: Object.keys(localStorage),
      session: Object.keys(sessionStorage),
      databases: await indexedDB.databases(),
      cookie: document.cookie,
    }))
    expect(stored).toEqual({ local: ['orthrus-theme'], session: [], databases: [], cookie: '' })
    await console.goTo('audit/client/web%40demo.example')
    await expect.poll(() => page.title()).toBe('Audit · demo.example')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Password').waitFor()
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    expect(await page.evaluate(() => location.hash)).toBe('')
    expect((await page.locator('[aria-live]').allTextContents()).join('')).toBe('')
    await expect.poll(() => realm.kdc.connections).toBe(0)
  })

  it('says in plain words what is wrong with a login, and who is no administrator, and goes on answering while it works', async () => {
    const { page, tryLogin } = await open()
    const watched = page.evaluate(
      () =>
        new Promise<number>(resolve => {
          let framesWithWhy = 0
          const look = (): void => {
            if (document.body.innerText.includes('The key is worked out from the password')) framesWithWhy++
            if (document.querySelector('[role=alert]') === null) requestAnimationFrame(look)
            else resolve(framesWithWhy)
          }
          look()
        }),
    )
    await tryLogin('ann', 'wrong')
    await page.getByText('The name or the password is wrong.').waitFor()
    // Scrypt in one piece would let a frame or two be drawn, before it and behind it.
    expect(await watched).toBeGreaterThan(5)
    await tryLogin('an&n', 'wrong')
    await page.getByText('Not a principal').waitFor()
    await toldNoAdministrator(page, tryLogin)
  })

  /** What that means, and nothing of the realm. */
  async function toldNoAdministrator(page: Page, tryLogin: ConsolePage['tryLogin']): Promise<void> {
    await tryLogin('bob', PASSWORD)
    await page.getByRole('heading', { name: 'Not an administrator' }).waitFor()
    await page.getByText('orthrus admin allow bob kdc --claim role=admin').waitFor()
    expect(await page.getByRole('navigation').count()).toBe(0)
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Name').waitFor()
  }

  it('asks for the password again when the login is revoked, and keeps the view', async () => {
    await realm.person('carl', PASSWORD)
    await realm.makeAdministrator('carl')
    const { page, logIn, goTo } = await open()
    await logIn('carl', PASSWORD)
    await goTo('health')
    await page.getByRole('heading', { name: 'Health', level: 1 }).evaluate(heading => {
      heading.setAttribute('data-kept', 'yes')
    })
    await realm.administration.revocations.client(parsePrincipal('carl@demo.example'))
    const dialog = page.getByRole('dialog', { name: 'Log in again' })
    await dialog.getByText('An administrator has revoked your login.').waitFor()
    await page.keyboard.press('Escape')
    await dialog.getByLabel('Password').fill('wrong')
    await dialog.getByRole('button', { name: 'Log in' }).click()
    await dialog.getByText('The name or the password is wrong.').waitFor()
    await dialog.getByLabel('Password').fill(PASSWORD)
    await dialog.getByRole('button', { name: 'Log in' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.locator('h1[data-kept=yes]').count()).toBe(1)
    expect(await page.evaluate(() => location.hash)).toBe('#/health')
  })

  it('asks for the password again when the TGT has ended, and never renews it by itself', async () => {
    await realm.person('dan', PASSWORD, { maxLife: 2 * SECOND })
    await realm.makeAdministrator('dan')
    const { page, logIn } = await open()
    await logIn('dan', PASSWORD)
    await page.getByRole('dialog', { name: 'Log in again' }).getByText('Your login has ended.').waitFor()
  })

  it('follows other administrators, over a lost connection too, and shows markup and turned text of theirs as text', async () => {
    const proxy = await TcpProxy.start(realm.port)
    const opened = await open(`http://localhost:${proxy.port}/`)
    const { page, logIn, goTo } = opened
    await logIn('ann', PASSWORD)
    await goTo('principals')
    await page.getByText('ann', { exact: true }).nth(1).waitFor()
    await add('newcomer')
    await page.getByText('newcomer', { exact: true }).first().waitFor()
    proxy.leadTo(undefined)
    proxy.breakUp()
    await page.getByText('The connection to the KDC is lost. What you see').waitFor()
    expect(await page.getByText('ann', { exact: true }).count()).toBeGreaterThan(1)
    await add('meanwhile')
    proxy.leadTo(realm.port)
    await page.getByText('The connection to the KDC is lost. What you see').waitFor({ state: 'detached' })
    await page.getByText('meanwhile', { exact: true }).first().waitFor()
    await showsHostileText(opened)
  })

  /** Markup and turned text that somebody put into a rule are text, in a narrow window too. */
  async function showsHostileText({ page, goTo, text }: Awaited<ReturnType<typeof open>>): Promise<void> {
    const hostile = '<img src=x onerror="globalThis.hurt=1"><script>globalThis.hurt=1</script>'
    const turned = '\u202Enimda=elor\u202C\u0007'
    await realm.administration.setRule({
      client: patternIn(REALM, 'bob'),
      service: patternIn(REALM, '*'),
      effect: 'allow',
      ...NO_TERMS,
      claims: [
        ['note', hostile],
        ['turned', turned],
        ['wide', 'w'.repeat(200)],
      ],
    })
    await page.setViewportSize({ width: 375, height: 800 })
    for (const view of VIEW_NAMES) {
      await goTo(view)
      await page.getByRole('heading', { level: 1 }).waitFor()
      expect(await text()).not.toMatch(/[\p{Cf}]|\p{Cc}(?<![\n\t])/u)
    }
    await goTo('policy/table')
    await page.getByText('<img src=x').first().waitFor()
    expect(await page.evaluate(() => [Reflect.get(globalThis, 'hurt'), document.images.length])).toEqual([
      undefined,
      0,
    ])
    await realm.administration.forget(patternIn(REALM, 'bob'), patternIn(REALM, '*'))
    await showsNamesWhole(page, goTo)
  }

  /** Two names that differ in their ends are told from each other where something is done to one. */
  async function showsNamesWhole(page: Page, goTo: ConsolePage['goTo']): Promise<void> {
    const long = `${'w'.repeat(63)}/${'i'.repeat(62)}`
    await add(`${long}1`)
    await goTo(`principals/${encodeURIComponent(`${long}1@demo.example`)}`)
    const isWhole = (name: HTMLElement | SVGElement): boolean =>
      name.scrollWidth <= name.clientWidth && name.getBoundingClientRect().right <= innerWidth
    const heading = page.getByRole('heading', { level: 2, name: `${long}1` })
    expect(await heading.locator('.name').evaluate(isWhole)).toBe(true)
    await page.getByRole('button', { name: 'Disable…' }).click()
    expect(await page.getByRole('dialog').getByRole('heading').evaluate(isWhole)).toBe(true)
  }

  async function open(url = realm.url) {
    const opened = await ConsolePage.open(url)
    return {
      page: opened.page,
      problems: opened.problems,
      tryLogin: opened.tryLogin.bind(opened),
      logIn: opened.logIn.bind(opened),
      goTo: opened.goTo.bind(opened),
      text: opened.text.bind(opened),
    }
  }
})

describe.skipIf(!hasChromium)('a browser with the console', () => {
  let realm: ConsoleRealm
  beforeAll(async () => {
    realm = await startConsoleRealm({ withAudit: false })
    await realm.person('ann', PASSWORD)
    await realm.makeAdministrator('ann')
  })
  afterAll(() => realm.close())

  it('runs no script and takes no markup but those that it was sent', async () => {
    // Not by ConsolePage, as every refusal here is wanted.
    const { page } = await openPage(realm.url)
    const tried = await page.evaluate(async () => {
      const refused = (act: () => void): string => {
        try {
          act()
          return 'done'
        } catch (cause) {
          return (cause as Error).name
        }
      }
      const violations: string[] = []
      document.addEventListener('securitypolicyviolation', event => violations.push(event.effectiveDirective))
      const button = document.createElement('button')
      const results = {
        markup: refused(() => {
          document.body.innerHTML = '<b>x</b>'
        }),
        script: refused(() => {
          const script = document.createElement('script')
          script.text = 'globalThis.ran = true'
          document.body.append(script)
        }),
        handler: refused(() => button.setAttribute('onclick', 'globalThis.ran = true')),
        policy: refused(() => Reflect.get(globalThis, 'trustedTypes').createPolicy('own', {})),
        style: refused(() => {
          const style = document.createElement('style')
          style.textContent = 'body { display: none }'
          document.head.append(style)
        }),
      }
      const elsewhere = await fetch('http://127.0.0.1:9/').then(
        () => 'asked',
        () => 'refused',
      )
      await new Promise(resolve => setTimeout(resolve))
      const isShown = getComputedStyle(document.body).display !== 'none'
      return { ...results, elsewhere, ran: Reflect.get(globalThis, 'ran'), isShown, violations }
    })
    expect(tried).toMatchObject({
      markup: 'TypeError',
      script: 'TypeError',
      handler: 'TypeError',
      policy: 'TypeError',
      elsewhere: 'refused',
      ran: undefined,
      isShown: true,
    })
    expect(tried.violations).toEqual(expect.arrayContaining(['style-src-elem', 'connect-src']))
  })

  it('shows it in no frame of another page', async () => {
    const origin = await serveFiles({ '/': `<!doctype html><iframe src="${realm.url}"></iframe>` })
    const { page } = await openPage(origin)
    await expect.poll(() => page.frames().length).toBe(2)
    const [, frame] = page.frames()
    await expect.poll(() => frame?.url()).not.toBe('about:blank')
    expect(await frame?.locator('#console').count()).toBe(0)
  })

  it('lets no other page connect, nor have an opened console by its window', async () => {
    const origin = await serveFiles({ '/': '<!doctype html>' })
    const { page } = await openPage(origin, await openContext())
    const { host } = new URL(realm.url)
    const outcome = await page.evaluate(
      place =>
        new Promise<string>(resolve => {
          const socket = new WebSocket(`ws://${place}/kdc`, 'orthrus.v1')
          socket.onopen = () => resolve('open')
          socket.onerror = () => resolve('refused')
        }),
      host,
    )
    expect(outcome).toBe('refused')
    const isCut = await page.evaluate(async url => {
      const opened = window.open(url)
      for (let i = 0; i < 200 && opened?.closed === false; i++) await new Promise(r => setTimeout(r, 25))
      return opened?.closed ?? true
    }, realm.url)
    expect(isCut).toBe(true)
  })

  it('works where the KDC keeps no audit log: views read again when somebody comes back to them', async () => {
    const console = await ConsolePage.open(realm.url)
    await console.logIn('ann', PASSWORD)
    await console.goTo('principals')
    await console.page.getByText('ann', { exact: true }).nth(1).waitFor()
    const principal = parsePrincipal('later@demo.example')
    await realm.administration.add({ principal, password: null, ...NO_LIMITS })
    await console.page.evaluate(() => dispatchEvent(new Event('focus')))
    await console.page.getByText('later', { exact: true }).first().waitFor()
  })
})
