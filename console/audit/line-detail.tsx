import { useEffect, useRef } from 'preact/hooks'
import type { AuditRow } from '../../client/channel/audit-reading.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { isPrincipal } from '../../shared/principal.js'
import { linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Button } from '../parts/button.js'
import { Name, Text } from '../parts/name.js'
import { jsonText } from './json-text.js'
import { DETAILS } from './line-words.js'

export interface LineDetailProps {
  readonly row: AuditRow
  readonly realm: string
  readonly now: number
  readonly onClose: () => void
}

/** All of one line, and where to go from it. It takes focus, and gives it back. */
export function LineDetail({ row: { line, text }, realm, now, onClose }: LineDetailProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    const before = document.activeElement
    heading.current?.focus()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [line])
  return (
    <aside
      class="audit-detail"
      aria-label={`Line ${line.n}`}
      onKeyDown={event => {
        if (event.key === 'Escape') onClose()
      }}
    >
      <div class="audit-detail-head">
        <h2 ref={heading} tabIndex={-1}>
          Line {line.n}
        </h2>
        <Button onPress={onClose}>Close</Button>
      </div>
      <dl class="audit-facts">
        <dt>at</dt>
        <dd>
          {line.at} (<Age at={Date.parse(line.at)} now={now} />)
        </dd>
        {DETAILS.map(([field, word]) => {
          const value = line[field]
          if (value === undefined) return null
          return [
            <dt key={`${field} word`}>{word}</dt>,
            <dd key={field}>
              <Value field={field} value={String(value)} realm={realm} />
            </dd>,
          ]
        })}
        {line.on !== undefined && line.on.length > 0 && (
          <>
            <dt>on</dt>
            <dd>
              {line.on.map(name => (
                <div key={name}>
                  <Value field="client" value={name} realm={realm} />
                </div>
              ))}
            </dd>
          </>
        )}
      </dl>
      <Links line={line} />
      <h3>As it stands in the log</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
      <pre class="audit-json" tabIndex={0}>
        {jsonText(text)}
      </pre>
    </aside>
  )
}

function Value({ field, value, realm }: { field: keyof AuditLine; value: string; realm: string }) {
  if (field === 'client' || field === 'via' || field === 'service')
    return isPrincipal(value) ? (
      <a href={linkTo('principals', value)}>
        <Name name={value} realm={realm} />
      </a>
    ) : (
      <Name name={value} realm={realm} />
    )
  if (field === 'ticket' || field === 'tgt')
    return (
      <a class="audit-mono" href={linkTo('audit', 'since', 'all', 'ticket', value)}>
        <Text text={value} />
      </a>
    )
  return <Text text={value} />
}

/** From a line to others, to the rules and to the reasons. */
function Links({ line: { client, service, from, id } }: { readonly line: AuditLine }) {
  const links: { readonly words: string; readonly href: string }[] = []
  const add = (words: string, href: string): void => void links.push({ words, href })
  if (client !== undefined)
    add('Other lines of the client', linkTo('audit', 'since', '24h', 'client', client))
  if (service !== undefined)
    add('Other lines of the service', linkTo('audit', 'since', '24h', 'service', service))
  if (from !== undefined) add('Other lines from the address', linkTo('audit', 'since', '24h', 'from', from))
  if (id !== undefined) add('Why it was refused', linkTo('policy', 'why', 'id', id))
  if (client !== undefined && service !== undefined)
    add('What the rules say of the two', linkTo('policy', 'why', client, service))
  return (
    <ul class="audit-links">
      {links.map(({ words, href }) => (
        <li key={words}>
          <a href={href}>{words}</a>
        </li>
      ))}
    </ul>
  )
}
