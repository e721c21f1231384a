import { appendFile, copyFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Finding } from '../../../../kdc/report/audit/walk.js'
import { DAY } from '../../../../shared/time.js'
import { type AuditScene, auditScene, changed, granted } from './audit-log.js'

/** Whatever is done to the files of an audit log is found, with the place where it was done. */

/** A log of several files: the names of the files, and a mark that was kept elsewhere. */
async function scene(lines = 30): Promise<AuditScene & { mark: string }> {
  const made = await auditScene()
  const { audit, report } = await made.open({ fileBytes: 2_000 })
  for (let i = 1; i <= lines; i++) {
    report.tell(granted(i))
    if (i % 5 === 0) await report.record(changed(`host-${i}`))
  }
  report.tell({ kind: 'kdc_closed', realm: 'demo.example' })
  await audit.mark()
  await audit.close()
  const marked = made.told.findLast(event => event.kind === 'audit_noted')
  const mark = marked?.kind === 'audit_noted' ? String(Reflect.get(marked.details, 'mark')) : ''
  return { ...made, mark }
}

async function edit(made: AuditScene, name: string, change: (lines: string[]) => string[]): Promise<void> {
  const lines = (await made.text(name)).trimEnd().split('\n')
  await writeFile(
    join(made.directory, name),
    change(lines)
      .map(line => `${line}\n`)
      .join(''),
  )
}

async function second(made: AuditScene): Promise<string> {
  const [, name = ''] = await made.names()
  return name
}

const told = ({ file, line, what }: Finding) => [file ?? '', line ?? 0, what] as const

describe('a log that nobody touched', () => {
  it('is found whole, in several files, and while it is written', async () => {
    const made = await scene()
    expect((await made.names()).length).toBeGreaterThan(3)
    const found = await made.verify(made.mark)
    expect(found).toMatchObject({ first: 1, last: 37, findings: [], notes: [] })
    const { audit, report } = await made.open()
    report.tell(granted(1))
    await audit.listener(changed('web'))
    expect(await made.verify(made.mark)).toMatchObject({ last: 39, findings: [] })
    await audit.close()
  })

  it('is whole where the KDC that began it was killed before its first sync', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    onTestFinished(() => audit.close())
    for (let i = 0; i < 128; i++) report.tell(granted(i))
    made.clock.advance(0)
    await expect.poll(() => audit.state.lines).toBe(128)
    expect(await made.verify()).toMatchObject({ first: 1, last: 128, findings: [], notes: [] })
    const next = await made.open()
    await next.report.record(changed('web'))
    await next.audit.close()
    expect(await made.verify()).toMatchObject({ first: 1, last: 129, findings: [], notes: [] })
    expect(made.told.filter(event => event.kind === 'audit_noted' && event.isFault)).toEqual([])
  })

  it('goes on over restarts, and over a kill that left a half line, which stays to be seen', async () => {
    const made = await scene(3)
    const { audit, report } = await made.open()
    onTestFinished(() => audit.close())
    await report.record(changed('web'))
    // Killed, in the middle of a write.
    const [name = ''] = await made.names()
    await appendFile(join(made.directory, name), '{"n":6,"at":"2027-')
    const cut = await made.verify()
    expect(cut.findings).toEqual([])
    expect(cut.notes.map(told)).toEqual([[name, 6, expect.stringContaining('not whole yet')]])
    const next = await made.open()
    await next.report.record(changed('orders'))
    await next.audit.close()
    const found = await made.verify(made.mark)
    expect(found.findings).toEqual([])
    expect(found.notes.map(told)).toEqual([[name, 6, expect.stringContaining('cut off by a kill')]])
    expect(await made.text(name)).toContain('\n{"n":6,"at":"2027-\n{"n":6,')
    // The half line itself is bound too.
    await writeFile(join(made.directory, name), (await made.text(name)).replace('"2027-\n', '"2028-\n'))
    expect((await made.verify()).findings.map(told)).toEqual([
      [name, 6, expect.stringContaining('no line of the log')],
    ])
  })
})

describe('whoever has no key is found out who', () => {
  it.each([
    [
      'edits a line',
      (lines: string[]) => lines.with(1, (lines[1] ?? '').replace('"granted"', '"denied"')),
      2,
      'was edited',
    ],
    [
      'edits the MAC of a line',
      (lines: string[]) => lines.with(1, (lines[1] ?? '').replace(/"mac":"./, '"mac":"-')),
      2,
      'was edited',
    ],
    ['deletes a line', (lines: string[]) => lines.toSpliced(1, 1), 2, 'missing before'],
    [
      'swaps two lines',
      ([a = '', b = '', c = '', ...rest]: string[]) => [a, c, b, ...rest],
      2,
      'missing before',
    ],
    ['copies a line', ([a = '', ...rest]: string[]) => [a, a, ...rest], 2, 'a second time'],
    ['puts a line in', ([a = '', ...rest]: string[]) => [a, '{"n":7}', ...rest], 2, 'no line of the log'],
    ['puts an empty line in', ([a = '', ...rest]: string[]) => [a, '', ...rest], 2, 'no line of the log'],
  ])('%s', async (_, change, line, words) => {
    const made = await scene()
    const name = await second(made)
    await edit(made, name, change)
    const { findings } = await made.verify()
    expect(told(findings[0] ?? { what: '' })).toEqual([name, line, expect.stringContaining(words)])
    expect(findings.every(({ file }) => file === name)).toBe(true)
  })

  it('edits any one character', async () => {
    const made = await scene(4)
    const [name = ''] = await made.names()
    const text = await made.text(name)
    for (let i = 0; i < text.length; i += 13) {
      const other = text[i] === 'x' ? 'y' : 'x'
      await writeFile(join(made.directory, name), `${text.slice(0, i)}${other}${text.slice(i + 1)}`)
      expect((await made.verify()).findings.length, `at ${i}`).toBeGreaterThan(0)
    }
    await writeFile(join(made.directory, name), text)
    expect((await made.verify()).findings).toEqual([])
  })

  it('removes a file in the middle, at the beginning, or at the end', async () => {
    const made = await scene()
    const names = await made.names()
    for (const [name = '', words] of [
      [names[1], 'a file is missing before this one'],
      [names[0], 'the KDC did not remove them'],
      [names.at(-1), 'missing at the end'],
    ] as const) {
      const path = join(made.directory, name)
      await rename(path, `${path}.away`)
      const { findings } = await made.verify()
      expect(findings.map(({ what }) => what)).toEqual([expect.stringContaining(words)])
      await rename(`${path}.away`, path)
    }
    expect((await made.verify()).findings).toEqual([])
  })

  it('cuts the end off, at a line or within one', async () => {
    const made = await scene()
    const name = (await made.names()).at(-1) ?? ''
    const path = join(made.directory, name)
    const lines = (await made.text(name)).trimEnd().split('\n')
    await edit(made, name, all => all.slice(0, -1))
    expect((await made.verify()).findings.map(told)).toEqual([
      ['', 0, expect.stringContaining('line 37 is missing at the end: the last mark')],
    ])
    await writeFile(path, `${lines.join('\n')}\n`)
    await truncate(path, (await made.text(name)).length - 5)
    const { findings } = await made.verify()
    expect(findings.map(({ what }) => what)).toEqual([expect.stringContaining('missing at the end')])
  })

  it('cuts the end off and takes the last mark away, or puts an old one in its place', async () => {
    const made = await scene()
    const mark = join(made.directory, 'last-mark')
    await rm(mark)
    expect((await made.verify()).findings.map(told)).toEqual([
      ['last-mark', 0, expect.stringContaining('is missing')],
    ])
    await writeFile(
      mark,
      'orthrus-audit-mark-1.0000000000000002.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA\n',
    )
    expect((await made.verify()).findings.map(told)).toEqual([
      ['last-mark', 0, expect.stringContaining('not made by this KDC')],
    ])
  })

  it('puts a whole old state back: only a mark that was kept elsewhere tells', async () => {
    const made = await scene(4)
    const [name = ''] = await made.names()
    for (const file of [name, 'last-mark'])
      await copyFile(join(made.directory, file), join(made.directory, `${file}.old`))
    const { audit, report } = await made.open()
    await report.record(changed('web'))
    await audit.mark()
    await audit.close()
    const later = made.told.findLast(event => event.kind === 'audit_noted')
    const mark = later?.kind === 'audit_noted' ? String(Reflect.get(later.details, 'mark')) : ''
    for (const file of [name, 'last-mark'])
      await rename(join(made.directory, `${file}.old`), join(made.directory, file))
    expect((await made.verify()).findings).toEqual([])
    expect((await made.verify(mark)).findings.map(told)).toEqual([
      ['', 0, expect.stringContaining('the mark that was given')],
    ])
    // What is written from then on is another history.
    const again = await made.open()
    await again.report.record(changed('orders'))
    await again.audit.close()
    expect((await made.verify(mark)).findings.map(({ what }) => what)).toEqual([
      expect.stringContaining('is another one than the mark'),
    ])
    expect((await made.verify('nonsense')).findings.length).toBe(1)
  })

  it('cuts the end off before the KDC starts again: what is missing can never be filled in', async () => {
    const made = await scene(8)
    const name = (await made.names()).at(-1) ?? ''
    await edit(made, name, lines => lines.slice(0, -1))
    const { audit, report } = await made.open()
    await report.record(changed('web'))
    await audit.close()
    expect(made.told.some(event => event.kind === 'audit_noted' && event.isFault)).toBe(true)
    const { findings } = await made.verify()
    expect(findings.map(({ what }) => what)).toEqual([expect.stringContaining('missing before line')])
  })

  it('cuts the end off and takes the last mark away before the KDC starts again, which notes it', async () => {
    const made = await scene(8)
    await edit(made, (await made.names()).at(-1) ?? '', lines => lines.slice(0, -1))
    await rm(join(made.directory, 'last-mark'))
    await (await made.open()).audit.close()
    expect((await made.verify()).findings.map(({ what }) => what)).toEqual([
      'the KDC noted then: the last mark was missing',
    ])
  })

  it.each<[string, (made: AuditScene, old: ReadonlyMap<string, string>) => Promise<void>]>([
    [
      'puts an old state back',
      async ({ directory }, old) => {
        for (const [file, text] of old) await writeFile(join(directory, file), text)
      },
    ],
    [
      'removes all of it',
      async ({ directory }, old) => {
        for (const file of old.keys()) await rm(join(directory, file))
      },
    ],
  ])('%s while the KDC runs, which remembers what it wrote', async (_, attack) => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    await report.record(changed('web'))
    const [name = ''] = await made.names()
    const old = new Map(
      await Promise.all(
        [name, 'last-mark'].map(async file => [file, await made.text(file)] satisfies [string, string]),
      ),
    )
    for (let i = 1; i <= 5; i++) await report.record(changed(`host-${i}`))
    await attack(made, old)
    for (let i = 6; i <= 8; i++) await report.record(changed(`host-${i}`))
    await audit.close()
    const findings = (await made.verify()).findings.map(({ what }) => what)
    expect(findings).toContainEqual(expect.stringMatching(/missing before line 7$|lines up to 6 are missing/))
    expect(findings).toContainEqual('the KDC noted then: lines were missing at the end')
  })
})

describe('old files', () => {
  it('are removed by age and size, and the log says so first', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ fileBytes: 2_000, maxBytes: 8_000, maxAge: 3 * DAY })
    for (let i = 1; i <= 60; i++) await report.record(changed(`host-${i}`))
    const bySize = await made.names()
    expect(bySize.length).toBeLessThan(8)
    expect(bySize[0]).not.toContain('000000000001')
    expect(await made.verify()).toMatchObject({ findings: [], notes: [] })
    made.clock.step(4 * DAY)
    await report.record(changed('late'))
    await report.record(changed('later'))
    expect((await made.names()).length).toBeLessThan(bySize.length)
    expect((await made.verify()).findings).toEqual([])
    const removals = (await made.lines()).filter(({ reason }) => reason === 'old files are removed')
    expect(removals.length).toBeGreaterThan(0)
    // The same by somebody else.
    const [first = ''] = await made.names()
    if ((await made.names()).length === 1)
      for (let i = 1; i <= 12; i++) await report.record(changed(`more-${i}`))
    await rm(join(made.directory, first))
    expect((await made.verify()).findings.length).toBeGreaterThan(0)
    await audit.close()
  })

  it('stay if somebody changed one of them, so that the KDC removes no traces', async () => {
    const made = await auditScene()
    const options = { fileBytes: 2_000, maxBytes: 6_000 }
    const { audit, report } = await made.open(options)
    for (let i = 1; i <= 10; i++) await report.record(changed(`host-${i}`))
    await audit.close()
    const [first = '', next = ''] = await made.names()
    await edit(made, next, lines => lines.with(0, (lines[0] ?? '').replace('2027', '1997')))
    const again = await made.open(options)
    for (let i = 1; i <= 30; i++) await again.report.record(changed(`host-${i}`))
    await again.audit.close()
    expect(await made.names()).toContain(first)
    expect(
      made.told.some(event => event.kind === 'audit_noted' && event.reason.includes('not removed')),
    ).toBe(true)
  })
})
