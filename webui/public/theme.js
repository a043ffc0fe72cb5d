// Before anything is drawn, so that nothing flashes in the other one's colours.
document.documentElement.dataset.theme =
  new URLSearchParams(location.search).get('theme') ||
  localStorage.getItem('mr.theme') ||
  (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')
