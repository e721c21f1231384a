import { effect, signal } from '@preact/signals'

/** Dark, light, or as the machine has it. The choice is all that the console keeps in the browser. */

export const THEMES = ['system', 'dark', 'light'] as const
export type Theme = (typeof THEMES)[number]

const KEPT_AS = 'orthrus-theme'

export const theme = signal<Theme>(kept())

function kept(): Theme {
  try {
    return THEMES.find(each => each === localStorage.getItem(KEPT_AS)) ?? 'system'
  } catch {
    // Storage can be forbidden.
    return 'system'
  }
}

/** Keeps the page, and what is kept, with the choice. @returns ends that */
export function followTheme(): () => void {
  return effect(() => {
    const chosen = theme.value
    if (chosen === 'system') document.documentElement.removeAttribute('data-theme')
    else document.documentElement.setAttribute('data-theme', chosen)
    try {
      localStorage.setItem(KEPT_AS, chosen)
    } catch {
      // It counts for this page.
    }
  })
}
