import { visibleText } from './visible-text.js'

/** The name of a principal, or a pattern of names. What is cut for want of room is in its tooltip. */
export function Name({ name, realm }: { readonly name: string; readonly realm?: string }) {
  const shown = visibleText(
    realm !== undefined && name.endsWith(`@${realm}`) ? name.slice(0, -realm.length - 1) : name,
  )
  return (
    <bdi class="name" title={visibleText(name)}>
      {shown}
    </bdi>
  )
}

/** Any other text that somebody else chose: a claim, a reason, an address. */
export function Text({ text }: { readonly text: string }) {
  return <bdi class="text">{visibleText(text)}</bdi>
}
