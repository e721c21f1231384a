import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Violation {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly html: string }[]
}

/** What axe-core finds wrong with a page as it is, for keyboards and screen readers: a line for each rule, with its places. */
export async function axeFindings(page: Page): Promise<string[]> {
  // By the debugger, as the policy of a page may let no script in.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(read())
  const violations: Violation[] = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    return (await axe.run()).violations
  })
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(shown).join(' ')}`)
}

function read(): string {
  return readFileSync(AXE, 'utf8')
}

function shown({ html }: { readonly html: string }): string {
  return html.slice(0, 160)
}
