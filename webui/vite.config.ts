import { defineConfig } from 'vite'
import preact from '@preact/preset-vite'

// `npm run dev` shows a millrace that runs here: MILLRACE=http://127.0.0.1:8420
const millrace = process.env.MILLRACE ?? 'http://127.0.0.1:8420'
export default defineConfig({
  plugins: [preact()],
  server: { proxy: { '/api': millrace } },
  preview: { proxy: { '/api': millrace } },
  build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0, reportCompressedSize: true },
})
