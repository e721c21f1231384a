import type { ComponentChildren } from 'preact'

export interface ScrollPlaceProps {
  readonly label: string
  readonly children: ComponentChildren
}

/** What may be wider than the page, as a table in a narrow window: it scrolls by itself, by keys too. */
export function ScrollPlace({ label, children }: ScrollPlaceProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys
    <section class="table-place" aria-label={label} tabIndex={0}>
      {children}
    </section>
  )
}
