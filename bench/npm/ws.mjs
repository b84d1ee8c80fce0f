// npm's ws, with bufferutil (which ws loads by itself when it is installed).
import { WebSocketServer } from 'ws';
import { serve } from './serve.mjs';

serve(WebSocketServer);
