import { type Signal, signal } from '@preact/signals'

/**
 * Grows with each act of this page. The audit log tells of acts too, but not everybody may follow it, and not every KDC
 * keeps one.
 */
export const acted: Signal<number> = signal(0)

export function tellActed(): void {
  acted.value++
}
