import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/index.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { patternIn } from '../../shared/pattern.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { hasChromium } from '../support/chromium.js'
import { ConsolePage } from '../support/console-page.js'
import { type ConsoleRealm, startConsoleRealm } from '../support/console-realm.js'

/** The map, the audit log and health of a real KDC, in a real browser. */

const realm = parseRealm('demo.example')
const PASSWORD = 'correct horse battery staple'

async function startRealm(options?: Parameters<typeof startConsoleRealm>[0]): Promise<ConsoleRealm> {
  const started = await startConsoleRealm(options)
  onTestFinished(() => started.close())
  await started.person('ana', PASSWORD)
  await started.makeAdministrator('ana')
  return started
}

/** A service that asks for tickets. */
async function startClient({ administration, kdc }: ConsoleRealm, name: string) {
  const principal = principalIn(realm, name)
  const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
  if (key === null) throw new Error('no key')
  const client = await connect({ kdc: kdc.url, keytab: { text: formatKeytab([{ principal, kvno, key }]) } })
  onTestFinished(() => client.close())
  return client
}

describe.skipIf(!hasChromium)('the views of a running KDC', () => {
  it('show who asks whom as it happens, why it was denied, and the lines of it', async () => {
    const started = await startRealm()
    const { administration, url } = started
    const web = await startClient(started, 'web')
    for (const name of ['orders', 'billing'])
      await administration.add({ principal: principalIn(realm, name), password: null, ...NO_LIMITS })
    const pair = { client: patternIn(realm, 'web'), service: patternIn(realm, 'orders') }
    await administration.setRule({ ...pair, effect: 'allow', ...NO_TERMS })
    const opened = await ConsolePage.open(url)
    const { page } = opened
    await opened.logIn('ana', PASSWORD)
    await web.getServiceTicket('orders')
    const denied = await web.getServiceTicket('billing').catch((cause: unknown) => cause)
    await page.locator('.map-line-new', { hasText: 'new' }).first().waitFor()
    const line = page.locator('.map-line-bad')
    await line.waitFor()
    expect(await line.getAttribute('aria-label')).toMatch(
      /^web@demo\.example asks for billing.*policy_denied/,
    )
    await page.locator('.map-node', { hasText: 'billing' }).click()
    await page.locator('.map-panel').getByText('policy_denied').waitFor()
    await page.locator('.map-pair-names').click()
    const lines = page.getByRole('grid', { name: 'Lines of the audit log' })
    await lines.getByText('denied', { exact: true }).click()
    await page.locator('.audit-detail').getByRole('link', { name: 'Why it was refused' }).waitFor()
    expect(denied).toMatchObject({ code: 'policy_denied' })

    await opened.goTo('audit')
    await lines.getByText('granted', { exact: true }).first().waitFor()
    await opened.goTo('health')
    await page.getByText('no service follows what is revoked').waitFor()
    await page.getByText('it is written: line').waitFor()
    await page.getByText(/the key of krbtgt has kvno 1/).waitFor()
  })

  it('say that a KDC keeps no audit log', async () => {
    const { url } = await startRealm({ withAudit: false })
    const opened = await ConsolePage.open(url)
    const { page } = opened
    await opened.logIn('ana', PASSWORD)
    await page.getByText('There is nothing to draw').waitFor()
    await opened.goTo('audit')
    await page.getByText('This KDC keeps no audit log;').waitFor()
    await opened.goTo('health')
    await page.getByText('this KDC keeps no audit log, or you may not read all of it').waitFor()
  })
})
