import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

/** What axe-core finds wrong with a page as it is, one line for each rule with the first place of it. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(source())
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string }[] }[] }> }
    }
    const { violations } = await axe.run()
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html.slice(0, 200)}`)
  })
}

function source(): string {
  return createRequire(import.meta.url)('axe-core').source
}
