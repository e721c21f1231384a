import type { ComponentChildren } from 'preact'

/** In place of a list that has nothing in it: why, and what to do. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}
